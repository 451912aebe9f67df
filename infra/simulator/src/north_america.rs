//! Country code +1: the United States, Canada and the other countries that share it.

/// The area codes of Canada, of the Caribbean countries, and of the US territories.
/// Meta does not say whether it counts the territories as the United States.
const OTHER_COUNTRIES: &[u16] = &[
    204, 226, 236, 242, 246, 249, 250, 257, 263, 264, 268, 284, 289, 306, 340, 343, 345, 354, 365,
    367, 368, 382, 387, 403, 416, 418, 428, 431, 437, 438, 441, 450, 460, 468, 473, 474, 506, 514,
    519, 537, 548, 568, 579, 581, 584, 587, 600, 604, 613, 622, 633, 639, 644, 647, 649, 655, 658,
    664, 670, 671, 672, 677, 683, 684, 688, 705, 709, 721, 742, 753, 758, 767, 778, 780, 782, 784,
    787, 807, 809, 819, 825, 829, 849, 851, 867, 868, 869, 873, 876, 879, 902, 905, 939, 942,
];

/// Whether a phone number is one of the United States.
pub(crate) fn is_united_states(digits: &str) -> bool {
    let national = digits.strip_prefix('1').filter(|national| national.len() == 10);
    let area = national.and_then(|national| national[..3].parse::<u16>().ok());
    area.is_some_and(|area| !OTHER_COUNTRIES.contains(&area))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canada_and_the_caribbean_are_not_the_united_states() {
        assert!(is_united_states("14155550101") && is_united_states("12125550101"));
        for other in ["14165550101", "19055550101", "18765550101", "441234567890", "1415555"] {
            assert!(!is_united_states(other), "{other}");
        }
    }
}
