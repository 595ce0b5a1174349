//! Every operation with an effect has it once, however often it is sent with one `Idempotency-Key`: a new one cannot be served
//! without that.

use super::cases::Case;
use super::operations::Operation;
use super::stage::{Approach, Ground, call, on_grounds};

#[test]
fn every_effect_is_had_once() {
    let tried: usize = on_grounds(repeated).into_iter().sum();
    assert!(tried >= 45, "only {tried} effects were repeated");
}

async fn repeated(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    // Whoever signs out, or is erased by their own hand, has no session to repeat anything with.
    let ends_the_session = operation.id == "logout";
    if operation.is_public() || ends_the_session || !operation.has_effect() {
        return 0;
    }
    let names = ground.stage_for(case, &ground.world.acme).await;
    let approach = Approach { key: Some("the key"), ..ground.rightful(operation, case) };
    let first = call(&ground.world.app, operation, case, &names, &approach).await;
    assert_eq!(first.status.as_u16(), case.status, "{}: {}", case.title(), first.body);
    let after = ground.world.app.digest().await;
    let second = call(&ground.world.app, operation, case, &names, &approach).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", case.title());
    assert_eq!(second.header("idempotency-replayed"), "true", "{} had its effect twice", case.title());
    assert_eq!(ground.world.app.digest().await, after, "{}", case.title());
    ground.mend().await;
    1
}
