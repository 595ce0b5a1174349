//! What people were given in a mandate, seen from two sides. A comparison of somebody's access with
//! one's own needs two bounds that err in opposite directions, so they are two types: [`Held`] is
//! all that somebody was given, suspended and stale included, and [`Live`] what counts at this
//! moment. Only the former is asked whether it is within, and only of the latter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use sqlx::PgExecutor;
use sqlx::types::Json;

use super::effective::Place;
use crate::access::grant::Bound;
use crate::access::{Catalogue, HeldRole, Level, Merged, Permissions};
use crate::kernel::error::Result;
use crate::kernel::ids::{GroupId, InstanceId, MandateId, RoleId, UserId, uuids};

/// All that somebody was given in a mandate, in it and in its instances.
#[derive(Debug, Clone)]
pub(super) struct Held {
    is_admin: bool,
    places: BTreeMap<Place, Bound>,
}

/// What somebody has in a mandate at this moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    is_admin: bool,
    places: BTreeMap<Place, Merged>,
}

impl Held {
    /// Whether all of it is within `own`: in the mandate and in each instance; or, where only one
    /// is at stake, in that one. The protected role is within nobody's access but an admin's.
    pub fn within(&self, own: &Live, only: Option<InstanceId>) -> bool {
        let admin_within = only.is_some() || own.is_admin || !self.is_admin;
        let mut concerned =
            self.places.iter().filter(|(place, _)| only.is_none() || **place == only);
        admin_within
            && concerned.all(|(place, bound)| own.is_above(*place, |own| bound.within(own)))
    }

    /// Whether it reaches anything at level `g`.
    pub fn looks_at_groups(&self) -> bool {
        self.places.values().any(Bound::looks_at_groups)
    }

    /// The least level that `own` has wherever this one has `g`; `a` where it has none.
    pub fn least_where_group(&self, own: &Live) -> Level {
        let least = self
            .places
            .iter()
            .map(|(place, bound)| own.is_above(*place, |own| bound.least_where_group(own)));
        least.min().unwrap_or(Level::All)
    }
}

impl Live {
    /// What `question` says of the access in a place; nothing is open in a place that is missing.
    fn is_above<T>(&self, place: Place, question: impl FnOnce(&Merged) -> T) -> T {
        let nothing = Merged::default();
        question(self.places.get(&place).unwrap_or(&nothing))
    }
}

#[derive(Debug, Deserialize)]
struct Person {
    id: UserId,
    /// Account and membership count.
    alive: bool,
    roles: Vec<RoleId>,
    groups: BTreeSet<GroupId>,
}

#[derive(Debug, Deserialize)]
struct Admission {
    user: UserId,
    instance: InstanceId,
    /// Admission and instance are enabled.
    alive: bool,
    roles: Vec<RoleId>,
}

#[derive(Debug, Deserialize)]
struct Known {
    id: InstanceId,
    tables: Vec<String>,
    views: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Loaded {
    people: Vec<Person>,
    admissions: Vec<Admission>,
    roles: Vec<HeldRole>,
    instances: Vec<Known>,
}

/// Some of a mandate's people with all that they were given; each role is read and kept once,
/// however many hold it.
#[derive(Debug)]
pub(super) struct People {
    roles: HashMap<RoleId, HeldRole>,
    catalogues: BTreeMap<Place, Catalogue>,
    each: HashMap<UserId, (Person, Vec<Admission>)>,
}

impl People {
    /// In one statement.
    pub async fn load(
        executor: impl PgExecutor<'_>,
        users: &[UserId],
        mandate: MandateId,
    ) -> Result<Self> {
        let loaded = sqlx::query_scalar!(
            r#"select jsonb_build_object(
                 'people', (select coalesce(jsonb_agg(jsonb_build_object('id', p.id,
                      'alive', coalesce(m.enabled and u.enabled and u.erased_at is null, false),
                      'roles', array(select h.role_id from member_roles h where h.mandate_id = $2
                          and h.user_id = p.id order by 1),
                      'groups', array(select g.group_id from group_members g where g.mandate_id = $2
                          and g.user_id = p.id))), '[]')
                    from unnest($1::uuid[]) p (id)
                    join users u on u.id = p.id
                    left join memberships m on m.mandate_id = $2 and m.user_id = p.id),
                 'admissions', (select coalesce(jsonb_agg(jsonb_build_object('user', a.user_id,
                     'instance', a.instance_id,
                      'alive', a.enabled and i.enabled,
                      'roles', array(select h.role_id from access_roles h
                                     where h.mandate_id = $2 and h.instance_id = a.instance_id
                                       and h.user_id = a.user_id order by 1))
                      order by a.user_id, a.instance_id), '[]')
                    from feature_accesses a
                    join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
                    where a.mandate_id = $2 and a.user_id = any ($1)),
                 'roles', (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label',
                     r.label, 'protected', r.protected,
                      'tables', role_tables(r.id), 'views', role_view_flags(r.id))), '[]')
                    from roles r
                    where r.mandate_id = $2
                      and (r.id in (select h.role_id from member_roles h where h.mandate_id = $2
                          and h.user_id = any ($1))
                        or r.id in (select h.role_id from access_roles h where h.mandate_id = $2
                            and h.user_id = any ($1)))),
                 'instances', (select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'tables',
                     f.tables, 'views', f.views)), '[]')
                    from feature_instances i join features f on f.code = i.feature_code
                    where i.mandate_id = $2
                      and i.id in (select a.instance_id from feature_accesses a
                          where a.mandate_id = $2 and a.user_id = any ($1)))
               ) as "loaded!: Json<Loaded>""#,
            &uuids(users),
            mandate.uuid(),
        )
        .fetch_one(executor)
        .await?;
        Ok(Self::of(loaded.0))
    }

    fn of(loaded: Loaded) -> Self {
        let of_instances = loaded
            .instances
            .into_iter()
            .map(|known| (Some(known.id), Catalogue::instance(known.tables, known.views)));
        let mut each: HashMap<_, _> =
            loaded.people.into_iter().map(|person| (person.id, (person, Vec::new()))).collect();
        for admission in loaded.admissions {
            if let Some((_, admissions)) = each.get_mut(&admission.user) {
                admissions.push(admission);
            }
        }
        Self {
            roles: loaded.roles.into_iter().map(|role| (role.id, role)).collect(),
            catalogues: of_instances.chain([(None, Catalogue::mandate())]).collect(),
            each,
        }
    }

    /// All that somebody was given; nothing where they are not known.
    pub fn held(&self, user: UserId) -> Held {
        let mut held = Held { is_admin: false, places: BTreeMap::new() };
        let Some((person, admissions)) = self.each.get(&user) else { return held };
        held.is_admin = self.has_protected(&person.roles);
        let given = admissions.iter().map(|admission| (Some(admission.instance), &admission.roles));
        for (place, roles) in given.chain([(None, &person.roles)]) {
            held.places.insert(place, Bound::of(self.permissions(roles), &self.catalogues[&place]));
        }
        held
    }

    /// What somebody has at this moment.
    pub fn live(&self, user: UserId) -> Live {
        let Some((person, admissions)) = self.each.get(&user).filter(|(person, _)| person.alive)
        else {
            return Live::default();
        };
        let alive = admissions
            .iter()
            .filter(|admission| admission.alive)
            .map(|admission| (Some(admission.instance), &admission.roles));
        let places = alive.chain([(None, &person.roles)]);
        Live {
            is_admin: self.has_protected(&person.roles),
            places: places
                .map(|(place, roles)| {
                    (place, Merged::of(self.permissions(roles), &self.catalogues[&place]))
                })
                .collect(),
        }
    }

    /// The groups that somebody belongs to.
    pub fn groups(&self, user: UserId) -> Option<&BTreeSet<GroupId>> {
        self.each.get(&user).map(|(person, _)| &person.groups)
    }

    /// What tells apart people who were not given the same.
    pub fn given(&self, user: UserId) -> Vec<(Place, &[RoleId])> {
        let Some((person, admissions)) = self.each.get(&user) else { return Vec::new() };
        let given =
            admissions.iter().map(|admission| (Some(admission.instance), &admission.roles[..]));
        given.chain([(None, &person.roles[..])]).collect()
    }

    fn permissions<'a>(
        &'a self,
        roles: &'a [RoleId],
    ) -> impl Iterator<Item = &'a Permissions> + Clone {
        roles.iter().filter_map(|role| Some(&self.roles.get(role)?.permissions))
    }

    fn has_protected(&self, roles: &[RoleId]) -> bool {
        roles.iter().any(|role| self.roles.get(role).is_some_and(|role| role.protected))
    }
}
