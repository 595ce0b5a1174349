//! Every operation with an effect has it once, however often it is sent with one `Idempotency-Key`:
//! a new one cannot be served without that.

use super::cases::{Case, Unlike};
use super::operations::Operation;
use super::sources::sources;
use super::stage::{Approach, Ground, call, on_grounds};

#[test]
fn every_effect_is_had_once() {
    let tried: usize = on_grounds(repeated).into_iter().sum();
    assert!(tried >= 45, "only {tried} effects were repeated");
}

/// Whether what it answers is kept, for whoever sends it again.
pub fn is_kept(operation: &Operation, case: &Case) -> bool {
    operation.has_effect() && !operation.is_public() && !case.is(Unlike::NoKey)
}

async fn repeated(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    // Whoever signs out has no session to repeat anything with.
    if !is_kept(operation, case) || case.is(Unlike::EndsTheSession) {
        return 0;
    }
    let names = ground.stage_for(case, &ground.world.acme).await;
    let approach = Approach { key: Some("the key"), ..ground.rightful(operation, case) };
    let first = call(&ground.world.app, operation, case, &names, &approach).await;
    assert_eq!(first.status.as_u16(), case.status, "{}: {}", case.title(), first.body);
    let after = ground.world.app.digest().await;
    let second = call(&ground.world.app, operation, case, &names, &approach).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", case.title());
    assert_eq!(
        second.header("idempotency-replayed"),
        "true",
        "{} had its effect twice",
        case.title()
    );
    assert_eq!(ground.world.app.digest().await, after, "{}", case.title());
    ground.mend().await;
    1
}

/// A key is kept by all that the effect hangs on, the session too: repeated from another session of
/// the same person, a call leaves that session as it would have left it by itself.
#[test]
fn a_repetition_from_another_session_is_not_a_smaller_effect() {
    let tried: usize = on_grounds(from_another_session).into_iter().sum();
    assert!(tried >= 45, "only {tried} effects were repeated from elsewhere");
}

async fn from_another_session(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    // What ends the caller's other sessions leaves none to repeat it from.
    if !is_kept(operation, case) || case.is(Unlike::ChangesTheCaller) {
        return 0;
    }
    let by_itself = left_alive(ground, operation, case, false).await;
    let repeated = left_alive(ground, operation, case, true).await;
    assert_eq!(
        repeated,
        by_itself,
        "{}: sessions that are left, after a repetition and without one",
        case.title()
    );
    1
}

/// Calls from a session, after the same call with the same key from another one or not; tells
/// whether that session is alive then.
async fn left_alive(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    after_another: bool,
) -> bool {
    let names = ground.stage_for(case, &ground.world.acme).await;
    let key = if after_another { "repeated" } else { "by itself" };
    let rightful = Approach { key: Some(key), ..ground.rightful(operation, case) };
    let app = &ground.world.app;
    let person = [&ground.world.sys_admin, &ground.world.acme.admin];
    let name = &person
        .into_iter()
        .find(|person| rightful.token.as_ref() == Some(&person.token))
        .unwrap()
        .name;
    let (other, own) = (app.sign_in(name).await, app.sign_in(name).await);
    if after_another {
        let first = call(
            app,
            operation,
            case,
            &names,
            &Approach { token: Some(other), ..rightful.clone() },
        )
        .await;
        assert_eq!(first.status.as_u16(), case.status, "{}: {}", case.title(), first.body);
    }
    let last =
        call(app, operation, case, &names, &Approach { token: Some(own.clone()), ..rightful })
            .await;
    assert!(last.status.is_success() || after_another, "{}: {}", case.title(), last.body);
    let alive = app.get("/api/auth/me").bearer(&own).send().await.status.is_success();
    ground.mend().await;
    alive
}

/// Whatever else a handler does must not hang on the session that it is called in.
#[test]
fn handlers_know_no_session_that_is_not_their_subject() {
    for (path, text) in sources("src") {
        let may = ["context/", "http/", "identity/auth/", "kernel/credentials/"]
            .iter()
            .any(|folder| path.starts_with(folder))
            || path == "tenancy/navigation/store.rs";
        assert!(
            may || !text.contains("claims.session"),
            "{path} looks at the token's session; `SessionContext` has it, where the policy says so"
        );
        assert!(!text.contains("Extension<Identity>"), "{path} goes around the guard");
    }
}
