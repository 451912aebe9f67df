//! Every world is explored as a whole, and no rule is broken.

use carillon_protocol::World;
use stateright::{Checker, HasDiscoveries, Model};
use tokio::time::Instant;

#[test]
fn no_state_of_any_world_breaks_an_invariant() {
    for world in World::all() {
        let name = world.name;
        let began = Instant::now();
        let checker =
            world.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("{name}: {states} states, depth {}, {:.1?}", checker.max_depth(), began.elapsed());
        if let Some((property, path)) = checker.discoveries().into_iter().next() {
            let steps = path.into_actions();
            panic!("{name}: {property}\n{steps:#?}");
        }
    }
}
