//! carillon-bench
