"""What each operation is called on: ids that exist, in path, headers, query and body.

An operation that is not mentioned gets the ids that its parameters' names ask for. One that ends or changes what it is called on
gets something of its own, and a new one when that is used up.
"""

from collections.abc import Callable

from world import ADMIN, MEMBER, PASSWORD, REQUEST, World

RULE = {"view": True, "read": "m", "create": "n", "update": "n", "delete": "n"}

Path = dict[str, object]


def common(world: World) -> Path:
    """What a parameter's name stands for, where the operation does not say otherwise."""
    return {
        "mandateId": world.mandate,
        "userId": world.chance.choice([world.driver_id, *world.colleagues]),
        "groupId": world.chance.choice(world.groups),
        "roleId": world.spare_role,
        "instanceId": world.chance.choice(list(world.instances.values())),
        "featureCode": "trustee",
        "playbook": world.playbook,
        "number": 1,
        "bookingId": world.booking,
        "code": "not_found",
    }


def _member(world: World) -> Path:
    return {"mandateId": world.mandate, "userId": world.member()}


def _member_with_spare_role(world: World) -> Path:
    path = _member(world) | {"roleId": world.spare_role}
    world.spare_of(path["userId"])
    return path


def _admitted(world: World) -> Path:
    instance, account = world.admitted()
    return {"instanceId": instance, "userId": account}


def _group(world: World) -> Path:
    return {"mandateId": world.mandate, "groupId": world.group()}


def _version(playbook: str, number: int) -> Path:
    return {"playbook": playbook, "number": number}


# Operations that end or change what they are called on.
OF_ITS_OWN: dict[str, Callable[[World], Path]] = {
    "update_mandate": lambda world: {"mandateId": world.new_mandate()},
    "put_mandate": lambda world: {"mandateId": world.new_mandate()},
    "delete_mandate": lambda world: {"mandateId": world.new_mandate()},
    "restore_mandate": lambda world: {"mandateId": world.deleted_mandate()},
    "update_member": _member,
    "remove_member": _member,
    "replace_member_roles": _member,
    "assign_member_role": lambda world: _member(world) | {"roleId": world.spare_role},
    "revoke_member_role": _member_with_spare_role,
    "update_group": _group,
    "delete_group": _group,
    "replace_group_members": _group,
    "update_role": lambda world: {"roleId": world.any_role()},
    "delete_role": lambda world: {"roleId": world.any_role()},
    "replace_role_permissions": lambda world: {"roleId": world.any_role()},
    "update_role_permissions": lambda world: {"roleId": world.any_role()},
    "update_feature": lambda world: {"featureCode": world.feature()},
    "delete_feature": lambda world: {"featureCode": world.feature()},
    "update_feature_instance": lambda world: {"instanceId": world.instance("trustee")},
    "delete_feature_instance": lambda world: {"instanceId": world.instance("trustee")},
    "sync_instance_roles": lambda world: {"instanceId": world.instance("trustee")},
    "add_instance_user": lambda world: {"instanceId": world.instances["trustee"]},
    "update_instance_user": _admitted,
    "remove_instance_user": _admitted,
    "replace_instance_user_roles": _admitted,
    "update_user": lambda world: {"userId": world.account()[0]},
    "erase_user": lambda world: {"userId": world.account()[0]},
    "update_playbook": lambda world: {"playbook": world.new_playbook()},
    "delete_playbook": lambda world: {"playbook": world.new_playbook()},
    "restore_playbook": lambda world: {"playbook": world.deleted_playbook()},
    "create_playbook_version": lambda world: {"playbook": world.new_playbook()},
    "update_playbook_version": lambda world: _version(world.playbook_with_versions(), 1),
    "delete_playbook_version": lambda world: _version(world.playbook_with_versions(), 2),
    "restore_playbook_version": lambda world: _version(world.playbook_with_a_deleted_version(), 2),
    "rollback_playbook_version": lambda world: _version(world.playbook_with_versions(), 1),
    "accept_booking": lambda world: {"bookingId": world.new_booking()},
    "reject_booking": lambda world: {"bookingId": world.new_booking()},
    "delete_booking": lambda world: {"bookingId": world.own_booking()},
}


def caller(world: World, operation: str) -> tuple[str, Path] | None:
    """Somebody else who calls in the driver's place, where the call would end the driver's session or account."""
    if operation == "logout":
        return world.client.sign_in("driver"), {}
    if operation == "erase_user" and world.role in (ADMIN, MEMBER):
        account, name = world.account()
        return world.client.sign_in(name), {"userId": account}
    return None


def _question(world: World) -> dict:
    return {
        "subject": {"type": "user", "id": world.chance.choice(world.colleagues)},
        "action": {"name": "read"},
        "resource": {"type": "members", "id": "any"},
        "context": {"mandate": world.mandate},
    }


# Bodies that are taken. Members that are null are left out of what was generated.
BODIES: dict[str, Callable[[World], dict]] = {
    "login": lambda world: {"username": "driver", "password": PASSWORD},
    "create_user": lambda world: {"username": world.unique("made"), "password": PASSWORD, "email": None, "isSysAdmin": None},
    "update_user": lambda world: {"email": None, "isSysAdmin": None, "language": "de"},
    "erase_user": lambda world: {"password": PASSWORD},
    "create_mandate": lambda world: {"name": world.unique("made"), "code": None, "language": "en", "adminUserId": world.keeper_id},
    "update_mandate": lambda world: {"name": world.unique("named"), "code": None, "language": "en", "enabled": None},
    "put_mandate": lambda world: {"name": world.unique("named"), "code": None, "language": "en", "enabled": None},
    "add_member": lambda world: {
        "targetUserId": world.account()[0],
        "username": None,
        "email": None,
        "roleIds": [world.roles["user"]],
    },
    "replace_member_roles": lambda world: {"roleIds": [world.roles["user"], world.spare_role]},
    "create_group": lambda world: {"name": world.unique("made")},
    "update_group": lambda world: {"name": world.unique("named")},
    "replace_group_members": lambda world: {"userIds": world.colleagues},
    "create_mandate_role": lambda world: {"label": world.unique("made"), "description": {"en": "Made"}},
    "create_instance_role": lambda world: {"label": world.unique("made"), "description": {"en": "Made"}},
    "create_template_role": lambda world: {
        "roleLabel": world.unique("made"),
        "featureCode": "trustee",
        "description": {"en": "Made"},
    },
    "update_role": lambda world: {"label": world.unique("named"), "description": {"en": "Named"}},
    "replace_role_permissions": lambda world: {"tables": {"*": RULE}, "views": {}},
    "update_role_permissions": lambda world: {"tables": {"*": RULE}, "views": {}},
    "create_feature": lambda world: {"code": world.unique("made"), "label": {"en": "Made"}, "tables": ["tickets"], "views": ["inbox"]},
    "update_feature": lambda world: {"label": {"en": "Named"}, "tables": ["tickets"], "views": ["inbox"]},
    "create_feature_instance": lambda world: {
        "featureCode": "trustee",
        "label": world.unique("made"),
        "grantCreatorRole": None,
    },
    "update_feature_instance": lambda world: {"label": world.unique("named")},
    "add_instance_user": lambda world: {
        "userId": world.member(),
        "roleIds": [world.instance_roles["trustee"]["trustee-viewer"]],
    },
    "replace_instance_user_roles": lambda world: {"roleIds": [world.instance_roles["trustee"]["trustee-accountant"]]},
    "check_access": lambda world: {
        "checks": [{"table": "members", "operation": "read"}],
        "userId": None,
    },
    "explain_access": lambda world: {"table": "members", "userId": None, "ownerId": None},
    "evaluate_access": _question,
    "evaluate_accesses": lambda world: _question(world) | {"evaluations": [{"resource": {"type": "roles", "id": "any"}}]},
    "create_playbook": lambda world: {"name": world.unique("made"), "title": "A title", "description": None},
    "update_playbook": lambda world: {"name": world.unique("named"), "title": "A title", "description": None},
    "create_playbook_version": lambda world: {"content": "text", "version": None},
    "update_playbook_version": lambda world: {"content": world.unique("text")},
    "rollback_playbook_version": lambda world: {"toRevision": None},
    "create_booking": lambda world: dict(REQUEST),
    "accept_booking": lambda world: {"note": "See you then."},
    "reject_booking": lambda world: {"note": "Not then."},
}

# Query parameters that stand in each other's way.
QUERIES: dict[str, Callable[[World], dict]] = {
    "lookup_user": lambda world: world.chance.choice(
        [{"username": "driver", "email": None}, {"username": None, "email": "driver@example.com"}]
    ),
}
# Query parameters that only an earlier answer can tell.
ONLY_FROM_ANSWERS = ("cursor",)
