//! AuthZEN's questions, decided: each answers for itself, and those about the same subject in the
//! same place are answered together.

use std::collections::BTreeMap;

use super::authzen::{Call, Decided, Person, Undecided, by_itself};
use super::{AskedAccess, Question, verdicts};
use crate::access::tables::Read;
use crate::context::asking::{Asking, Located, Subject};
use crate::context::member::{NamedMembers, ReadMember};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, UserId};

/// Whom a question is about, and in which instance.
type AskedAbout = (UserId, Option<InstanceId>);

/// A question that was understood, and the place of its answer.
struct Understood {
    index: usize,
    call: Call,
    question: Question,
}

/// Decides all questions, in their order.
pub(super) async fn decide(asking: &Asking, calls: Vec<Decided<Call>>) -> Result<Vec<Decided>> {
    let people = People::of(asking, &calls).await?;
    let mut decided: BTreeMap<usize, Decided> = BTreeMap::new();
    let mut places: BTreeMap<AskedAbout, Vec<Understood>> = BTreeMap::new();
    for (index, call) in calls.into_iter().enumerate() {
        match call.and_then(|call| {
            people
                .understood(asking, &call)
                .map(|(place, question)| (place, Understood { index, call, question }))
        }) {
            Ok((place, asked)) => places.entry(place).or_default().push(asked),
            Err(why) => drop(decided.insert(index, Err(why))),
        }
    }
    for (place, asked) in places {
        decided.extend(decide_in(asking, &people, place, asked).await?);
    }
    Ok(decided.into_values().collect())
}

/// The questions about one subject in one place.
async fn decide_in(
    asking: &Asking,
    people: &People,
    (user, instance): AskedAbout,
    asked: Vec<Understood>,
) -> Result<Vec<(usize, Decided)>> {
    let Some(mut subject) = people.subject_in(asking, user, instance).await? else {
        let refused =
            |asked: Understood| (asked.index, Err(Undecided::Refused(Error::not_found())));
        return Ok(asked.into_iter().map(refused).collect());
    };
    let (mut located, mut decided) =
        (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
    for Understood { index, call, question } in asked {
        match by_itself(subject.locate(question.target()).await)? {
            Ok(Located::Here(scope)) => located.push((index, question, scope)),
            Ok(Located::Unknown) => {
                decided.push((index, Err(Undecided::Unknown(call.unknown_table()))));
            }
            Err(Undecided::Refused(refusal)) if has_nothing_to_choose(&refusal) => {
                decided.push((index, Err(Undecided::Unknown(call.no_instance()))));
            }
            Err(why) => decided.push((index, Err(why))),
        }
    }
    let questions: Vec<_> = located.iter().map(|(_, question, scope)| (question, scope)).collect();
    let verdicts = verdicts(&subject, &questions).await?;
    decided
        .extend(located.iter().zip(verdicts).map(|((index, ..), verdict)| (*index, Ok(verdict))));
    Ok(decided)
}

/// Whether an instance would have to be named, and there is none that could be.
fn has_nothing_to_choose(refusal: &Error) -> bool {
    let candidates = refusal.extra().get("candidates").and_then(serde_json::Value::as_array);
    refusal.code() == Code::InstanceContextMissing && candidates.is_none_or(Vec::is_empty)
}

/// Whom the questions name, as far as the caller may know of them.
struct People {
    caller: UserId,
    found: Vec<ReadMember>,
}

impl People {
    /// All of them in one statement; none where nobody but the caller is named, and by the id.
    async fn of(asking: &Asking, calls: &[Decided<Call>]) -> Result<Self> {
        let context = asking.context();
        let caller = context.caller().user();
        let mut named = NamedMembers::default();
        for call in calls.iter().flatten() {
            match call.subject() {
                Ok(Person::Id(id)) if id != caller => named.users.push(id),
                Ok(Person::Named(key)) => named.names.push(key),
                _ => {}
            }
            // The id of an owner needs no look: whose row it is may be anybody.
            if let Ok(Some(Person::Named(key))) = call.owner() {
                named.owners.push(key);
            }
        }
        if named.is_empty() {
            return Ok(Self { caller, found: Vec::new() });
        }
        // Over oneself, and whom else the caller's level reaches.
        let grant = context.grant_over_oneself::<Read>()?;
        Ok(Self { caller, found: context.members(&grant, &named).await? })
    }

    fn find(&self, person: &Person) -> Option<UserId> {
        let is = |member: &&ReadMember| match person {
            Person::Id(id) => member.user == *id,
            Person::Named(key) => member.is_called(key),
        };
        match person {
            Person::Id(id) if *id == self.caller => Some(*id),
            _ => self.found.iter().find(is).map(|member| member.user),
        }
    }

    fn understood(&self, asking: &Asking, call: &Call) -> Decided<(AskedAbout, Question)> {
        call.context.require_agreement(asking).map_err(Undecided::Refused)?;
        let question = || {
            let subject = self.find(&call.subject()?).ok_or_else(|| call.unknown_subject())?;
            let owner = match call.owner()? {
                Some(Person::Id(owner)) => Some(owner),
                Some(named) => Some(self.find(&named).ok_or_else(|| call.unknown_owner())?),
                None => None,
            };
            let question =
                Question { asked: AskedAccess::Rows(call.table(), call.operation()?), owner };
            Ok(((subject, call.context.instance), question))
        };
        question().map_err(Undecided::Unknown)
    }

    /// The subject, in the instance that is named; `None` where the mandate has no such instance
    /// that the caller may know of.
    async fn subject_in(
        &self,
        asking: &Asking,
        user: UserId,
        instance: Option<InstanceId>,
    ) -> Result<Option<Subject>> {
        let subject = if user == self.caller {
            asking.oneself()
        } else {
            let Some(member) = self.found.iter().find(|member| member.user == user) else {
                return Ok(None);
            };
            asking.member(member)
        };
        let Some(instance) = instance else { return Ok(Some(subject)) };
        if !asking.may_know_of(instance).await? {
            return Ok(None);
        }
        match subject.in_instance(instance).await {
            Ok(subject) => Ok(Some(subject)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
