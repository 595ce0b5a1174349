"""The README's tour by the Python client: the same calls in the same order. (`.ci/check-clients` compares what was sent.)"""

import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

from bailiwick_client import AuthenticatedClient, Client
from bailiwick_client.api.access import check_access, explain_access
from bailiwick_client.api.audit import list_audit_events
from bailiwick_client.api.features import create_feature
from bailiwick_client.api.groups import create_group, replace_group_members
from bailiwick_client.api.instances import (
    add_instance_user,
    create_feature_instance,
    list_instance_roles,
    sync_instance_roles,
)
from bailiwick_client.api.mandates import create_mandate
from bailiwick_client.api.members import (
    accept_invitation,
    add_member,
    assign_member_role,
    invite_member,
    list_invitations,
    list_members,
)
from bailiwick_client.api.navigation import get_my_features
from bailiwick_client.api.playbooks import (
    create_playbook,
    create_playbook_version,
    delete_playbook,
    get_playbook,
    list_playbook_revisions,
    restore_playbook,
    rollback_playbook_version,
    update_playbook_version,
)
from bailiwick_client.api.roles import (
    create_mandate_role,
    create_template_role,
    list_mandate_roles,
    replace_role_permissions,
    update_role_permissions,
)
from bailiwick_client.api.sign_in import get_me, list_sessions, login, refresh_session
from bailiwick_client.api.users import create_user
from bailiwick_client.models import (
    AcceptInvitation,
    AccessPreview,
    AddInstanceUser,
    AddMember,
    Check,
    CheckAccess,
    CheckResult,
    CreateFeature,
    CreateFeatureLabelType0,
    CreateGroup,
    CreateInstance,
    CreateMandate,
    CreatePlaybook,
    CreatePlaybookVersion,
    CreateRole,
    CreateTemplateRole,
    CreateUser,
    ExplainAccess,
    FeatureAccess,
    InviteMember,
    Level,
    ListInvitationsStatus,
    Login,
    Member,
    Operation,
    PageGroupMember,
    PermissionsPatch,
    PermissionsPatchViews,
    Problem,
    ProblemCode,
    RefreshSession,
    RegisterInvited,
    ReplaceGroupMembers,
    ReplacePermissions,
    ReplacePermissionsTables,
    ReplacePermissionsViews,
    RolePermissions,
    Rule,
    Scope,
    UpdatePlaybookVersion,
)
from bailiwick_client.types import Response

T = TypeVar("T")

BASE = os.environ["BASE"]
MAILS = Path(os.environ["MAIL_DIR"])


def told(status: int, answer: Response[T | Problem]) -> T:
    """The body of an answer of this status."""
    assert answer.status_code == HTTPStatus(status), answer.content
    assert answer.parsed is not None and not isinstance(answer.parsed, Problem), answer.content
    return answer.parsed


def told_as(kind: type[T], status: int, answer: Response[Any]) -> T:
    """The same, where an answer can be of several kinds: a dry run tells what would be, any other what is."""
    parsed = told(status, answer)
    assert isinstance(parsed, kind), answer.content
    return parsed


def refused(status: int, code: ProblemCode, answer: Response[Any]) -> Problem:
    """The problem document of a refusal."""
    problem = answer.parsed
    assert isinstance(problem, Problem), answer.content
    assert (answer.status_code, problem.code) == (HTTPStatus(status), code), problem
    assert problem.request_id == answer.headers["X-Request-Id"]
    return problem


def only(items: list[T], meant: Callable[[T], bool]) -> T:
    """The one item of a list that is meant."""
    [found] = filter(meant, items)
    return found


def sign_in(username: str, password: str = "bailiwick-demo") -> AuthenticatedClient:
    answer = login.sync_detailed(client=Client(BASE), body=Login(username=username, password=password))
    token = told(200, answer)
    assert token.token_type == "Bearer"
    return AuthenticatedClient(BASE, token=token.access_token)


# An application draws a user's navigation.
alice = sign_in("alice")
navigation = told(200, get_my_features.sync_detailed(client=alice, lang="en"))
shown = navigation.mandates[0].features[0].instances[0]
assert shown.user_role == "playbooks-admin"
assert shown.permissions.tables["playbooks"].read is Level.A

# Most other calls name a mandate.
acme = only(told(200, get_me.sync_detailed(client=alice)).mandates, lambda mandate: mandate.name == "Acme").id
named = str(acme)
members = told(200, list_members.sync_detailed(acme, client=alice, x_mandate_id=named))
assert len(members.items) == 3 and members.next_cursor is None
called_bob = told(200, list_members.sync_detailed(acme, client=alice, x_mandate_id=named, q="bob"))
bob_id = only(called_bob.items, lambda _: True).user_id

# A group.
made = create_group.sync_detailed(acme, client=alice, x_mandate_id=named, body=CreateGroup(name="Finance"))
group = told(201, made)
to_be_grouped = ReplaceGroupMembers(user_ids=[bob_id])
grouped = replace_group_members.sync_detailed(acme, group.id, client=alice, x_mandate_id=named, body=to_be_grouped)
assert [member.username for member in told_as(PageGroupMember, 200, grouped).items] == ["bob"]

# A role.
recruiter = CreateRole(label="recruiter")
role = told(201, create_mandate_role.sync_detailed(acme, client=alice, x_mandate_id=named, body=recruiter))
tables = ReplacePermissionsTables()
tables["members"] = Rule(view=True, read=Level.A, create=Level.A, update=Level.N, delete=Level.N)
tables["roles"] = Rule(view=True, read=Level.A, create=Level.N, update=Level.N, delete=Level.N)
to_be_permitted = ReplacePermissions(tables=tables)
put = replace_role_permissions.sync_detailed(role.id, client=alice, x_mandate_id=named, body=to_be_permitted)
permissions = told_as(RolePermissions, 200, put)
assert permissions.tables["members"].create is Level.A
dry = assign_member_role.sync_detailed(acme, bob_id, role.id, client=alice, x_mandate_id=named, dry_run=True)
preview = told_as(AccessPreview, 200, dry)
assert (preview.totals.gained, preview.admins_left) == (3, 1)
assigned = assign_member_role.sync_detailed(acme, bob_id, role.id, client=alice, x_mandate_id=named)
assert role.id in told_as(Member, 200, assigned).role_ids

# Nobody gives what they do not have.
bob = sign_in("bob")


def labelled(label: str) -> UUID:
    roles = told(200, list_mandate_roles.sync_detailed(acme, client=bob, x_mandate_id=named))
    return only(roles.items, lambda role: role.label == label).id


def mailed_token() -> str:
    """Of the newest mail, as soon as there is one."""
    while not (mails := sorted(MAILS.glob("*.eml"))):
        sleep(0.1)
    return next(line for line in mails[-1].read_text().splitlines() if line.startswith("bwm_"))


def add_carol(role: UUID) -> Response[AccessPreview | Member | Problem]:
    carol = AddMember(username="carol", role_ids=[role])
    return add_member.sync_detailed(acme, client=bob, x_mandate_id=named, body=carol)


admin, user = labelled("admin"), labelled("user")
refused(403, ProblemCode.GRANT_EXCEEDS_OWN_ACCESS, add_carol(admin))
assert told_as(Member, 201, add_carol(user)).email is None

# Somebody without an account is invited.
frieda = InviteMember(email="frieda@acme.example", role_ids=[user])
told(201, invite_member.sync_detailed(acme, client=bob, x_mandate_id=named, body=frieda))
register = RegisterInvited(username="frieda", password="slow-Ferry-44-cobalt")
mine = AcceptInvitation(token=mailed_token(), register=register)
assert told(201, accept_invitation.sync_detailed(client=bob, body=mine)).mandate_id == acme
over = ListInvitationsStatus.ACCEPTED
invited = told(200, list_invitations.sync_detailed(acme, client=bob, x_mandate_id=named, status=over))
assert [invitation.email for invitation in invited.items] == [frieda.email]

# A feature is opened.
accounting = CreateInstance(feature_code="trustee", label="Accounting 2027", grant_creator_role="trustee-admin")
opened = create_feature_instance.sync_detailed(client=alice, x_mandate_id=named, body=accounting)
instance = told(201, opened).id
assert opened.headers["Location"] == f"/api/features/instances/{instance}"
instance_roles = told(200, list_instance_roles.sync_detailed(instance, client=alice, x_mandate_id=named))
viewer = only(instance_roles.items, lambda role: role.label == "trustee-viewer")
assert (viewer.scope, viewer.feature_code, viewer.protected) == (Scope.INSTANCE, "trustee", False)
admission = AddInstanceUser(user_id=bob_id, role_ids=[viewer.id])
admitted = add_instance_user.sync_detailed(instance, client=alice, x_mandate_id=named, body=admission)
assert told_as(FeatureAccess, 201, admitted).username == "bob"

# Copies may be changed, and brought back.
views = PermissionsPatchViews()
views["reports"] = True
patch = PermissionsPatch(views=views)
patched = update_role_permissions.sync_detailed(viewer.id, client=alice, x_mandate_id=named, body=patch)
assert told_as(RolePermissions, 200, patched).views["reports"] is True
syncing = sync_instance_roles.sync_detailed(instance, client=alice, x_mandate_id=named, add_only=False, dry_run=True)
sync = told(200, syncing)
assert (sync.updated, sync.changes[0].permissions[0].view) == (1, "reports")

# Everything was recorded.
events = told(200, list_audit_events.sync_detailed(acme, client=alice, x_mandate_id=named, limit=3))
assert len(events.items) == 3 and events.next_cursor
assert (events.items[0].action, events.items[0].actor_name) == ("role_permissions_changed", "alice")

# Asking again is cheap.
etag = get_my_features.sync_detailed(client=alice).headers["ETag"]
again = get_my_features.sync_detailed(client=alice, if_none_match=etag)
assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")

# One stays signed in.
pair = told(200, login.sync_detailed(client=Client(BASE), body=Login(username="bob", password="bailiwick-demo")))
presented = RefreshSession(refresh_token=pair.refresh_token)
renewed = told(200, refresh_session.sync_detailed(client=Client(BASE), body=presented))
renewed_client = AuthenticatedClient(BASE, token=renewed.access_token)
assert told(200, list_sessions.sync_detailed(client=renewed_client, limit=1)).items[0].current

# Features hold work.
bob = sign_in("bob")
written = CreatePlaybook(name="incident response", title="When the pager rings")
playbook = str(told(201, create_playbook.sync_detailed(client=bob, x_mandate_id=named, body=written)).id)
content = "1. Say that you are on it."
first = CreatePlaybookVersion(content=content)
version = told(201, create_playbook_version.sync_detailed(playbook, client=bob, x_mandate_id=named, body=first))
assert version.number == 1
panic = UpdatePlaybookVersion(content="1. Panic.")
edited = update_playbook_version.sync_detailed(playbook, 1, client=bob, x_mandate_id=named, body=panic)
assert told(200, edited).revision == 2
rolled_back = rollback_playbook_version.sync_detailed(playbook, 1, client=bob, x_mandate_id=named)
assert told(200, rolled_back).content == content
listed = list_playbook_revisions.sync_detailed("incident response", 1, client=bob, x_mandate_id=named)
assert [revision.rolled_back_from is not None for revision in told(200, listed).items] == [True, False, False]
deletion = told(200, delete_playbook.sync_detailed(playbook, client=bob, x_mandate_id=named))
assert deletion.purge_at > deletion.deleted_at
gone = refused(410, ProblemCode.GONE, get_playbook.sync_detailed(playbook, client=bob, x_mandate_id=named))
assert "purgeAt" in gone.additional_properties
restored = told(200, restore_playbook.sync_detailed(playbook, client=bob, x_mandate_id=named))
assert restored.latest_version == 1

# May I, and why not?
checks = CheckAccess(
    checks=[
        Check(table="playbooks", operation=Operation.DELETE, owner_id=bob_id),
        Check(table="members", operation=Operation.UPDATE),
    ]
)
answers = told(200, check_access.sync_detailed(client=bob, x_mandate_id=named, body=checks))
assert answers.results == [CheckResult(allowed=True, level=Level.M), CheckResult(allowed=False, level=Level.N)]
alice_id = told(200, get_me.sync_detailed(client=alice)).id
question = ExplainAccess(table="playbooks", operation=Operation.DELETE, owner_id=alice_id)
explanation = told(200, explain_access.sync_detailed(client=bob, x_mandate_id=named, body=question))
assert (explanation.allowed, explanation.because[0].role) == (False, "playbooks-editor")
assert explanation.would_need is not None

# A SysAdmin makes a mandate.
sysadmin = sign_in("sysadmin")
account = CreateUser(username="erin", password="quiet-Harbour-58-lantern")
erin_id = told(201, create_user.sync_detailed(client=sysadmin, body=account)).id
initech = CreateMandate(name="Initech", admin_user_id=erin_id)
assert told(201, create_mandate.sync_detailed(client=sysadmin, body=initech)).has_admin is True
assert told(200, get_my_features.sync_detailed(client=sysadmin)).mandates == []
me = told(200, get_me.sync_detailed(client=sign_in(account.username, account.password)))
assert (me.username, me.mandates[0].roles) == ("erin", ["admin"])

# An application of its own registers its feature.
label = CreateFeatureLabelType0()
label["en"] = "Help desk"
helpdesk = CreateFeature(
    code="helpdesk",
    label=label,
    icon="mdi-lifebuoy",
    tables=["tickets", "answers"],
    views=["inbox", "statistics"],
)
assert told(201, create_feature.sync_detailed(client=sysadmin, body=helpdesk)).built_in is False
agent = CreateTemplateRole(feature_code="helpdesk", role_label="helpdesk-agent")
template = told(201, create_template_role.sync_detailed(client=sysadmin, body=agent))
assert template.scope is Scope.FEATURE_TEMPLATE
agent_tables = ReplacePermissionsTables()
agent_tables["tickets"] = Rule(view=True, read=Level.A, create=Level.M, update=Level.G, delete=Level.N)
agent_tables["answers"] = Rule(view=True, read=Level.A, create=Level.M, update=Level.M, delete=Level.M)
agent_views = ReplacePermissionsViews()
agent_views["inbox"] = True
wanted = ReplacePermissions(tables=agent_tables, views=agent_views)
permitted = replace_role_permissions.sync_detailed(template.id, client=sysadmin, body=wanted)
answered = told_as(RolePermissions, 200, permitted).to_dict()
assert answered == {**wanted.to_dict(), "stale": {"tables": [], "views": []}}
