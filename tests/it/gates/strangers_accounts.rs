//! A request that names people keeps no stranger from signing in: what a mandate does waits for the
//! mandate, and has nobody's account while it waits. Each operation is called on somebody of
//! another mandate and brought to where it waits for its own.

use super::cases::Case;
use super::operations::Operation;
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::held::Held;

/// What cases call the people that they name.
const PEOPLE: [&str; 4] = ["target", "admitted", "peer", "newcomer"];

#[test]
fn whoever_is_only_named_can_sign_in_meanwhile() {
    let waited: usize = on_grounds(named_while_held).into_iter().sum();
    assert!(waited >= 8, "only {waited} operations came to where they wait for the mandate");
}

/// Whether the operation waited for the mandate.
async fn named_while_held(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let named: Vec<&'static str> = PEOPLE.into_iter().filter(|name| case.mentions(name)).collect();
    if !operation.has_effect() || case.sys_only || operation.is_for_sys_admins() || named.is_empty()
    {
        return 0;
    }
    let (world, stranger) = (&ground.world, ground.world.globex.member.id);
    let own = ground.stage_for(case, &world.acme).await;
    let admin = Approach::of(&world.acme.admin).in_mandate(world.acme.id);
    let approach = named.iter().fold(admin, |approach, name| approach.aiming(name, stranger));
    let held = Held::mandate(&world.app, world.acme.id).await;
    let request = call(&world.app, operation, case, &own, &approach);
    tokio::pin!(request);
    tokio::select! {
        answer = &mut request => {
            assert!(answer.status.is_client_error(), "{}: {} {}", case.title(), answer.status,
                answer.body);
            held.release().await;
            0
        }
        () = held.waited_for_by(1) => {
            let nowait = sqlx::query("select 1 from users where id = $1 for no key update nowait");
            let locked = nowait.bind(stranger).execute(&world.app.sql).await;
            let title = case.title();
            assert!(locked.is_ok(), "{title} has a stranger's account while it waits");
            held.release().await;
            request.await;
            ground.mend().await;
            1
        }
    }
}
