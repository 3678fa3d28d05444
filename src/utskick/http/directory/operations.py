"""Operations of contact settings, delegates, parties and devices."""

from __future__ import annotations

from typing import Any, Final

from utskick.domain.audit import Action
from utskick.http.context import ApiContext
from utskick.http.directory.contact_settings import ContactSettingCalls
from utskick.http.directory.delegates import DelegateCalls
from utskick.http.directory.parties import PartyCalls
from utskick.http.directory.push_subscriptions import SubscriptionCalls
from utskick.http.directory.requests import (
    ContactSettingCreateRequest,
    ContactSettingUpdateRequest,
    DelegateCreateRequest,
    FilterBody,
    PartyRequest,
    SubscriptionRequest,
)
from utskick.http.directory.schemas import (
    ContactSetting,
    Delegate,
    Filter,
    PushSubscription,
    RegisteredParty,
    SubscriptionId,
)
from utskick.http.operation import Answer, Audit, Body, Operation, Route, query
from utskick.http.operation.examples import EXAMPLES
from utskick.http.operation.parameters import ANY_OTHER

_CHANGE: Final = Action.CHANGE_DIRECTORY
_CREATED: Final = Answer(description="Created", headers=("Location",))
_DELETED: Final = Answer(description="Deleted")
_SETTINGS: Final = "/{municipalityId}/settings"
_SETTING: Final = "/{municipalityId}/settings/{id}"
_DELEGATES: Final = "/{municipalityId}/delegates"
_DELEGATE: Final = "/{municipalityId}/delegates/{id}"
_FILTER: Final = "/{municipalityId}/delegates/{id}/filters/{filterId}"
_PARTY: Final = "/{municipalityId}/parties/{partyId}"
_DEVICES: Final = "/{municipalityId}/push/subscriptions"


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of the directory."""
    settings, delegates = ContactSettingCalls(service), DelegateCalls(service)
    parties, devices = PartyCalls(service), SubscriptionCalls(service)
    return [
        Route(CREATE_SETTING, settings.create),
        Route(FIND_SETTINGS, settings.find),
        Route(SETTINGS_BY_DESTINATION, settings.by_destination),
        Route(READ_SETTING, settings.read),
        Route(UPDATE_SETTING, settings.update),
        Route(DELETE_SETTING, settings.delete),
        Route(SETTING_CHILDREN, settings.children),
        Route(CREATE_DELEGATE, delegates.create),
        Route(FIND_DELEGATES, delegates.find),
        Route(READ_DELEGATE, delegates.read),
        Route(DELETE_DELEGATE, delegates.delete),
        Route(CREATE_FILTER, delegates.create_filter),
        Route(READ_FILTER, delegates.read_filter),
        Route(UPDATE_FILTER, delegates.update_filter),
        Route(DELETE_FILTER, delegates.delete_filter),
        Route(PUT_PARTY, parties.put),
        Route(GET_PARTY, parties.read),
        Route(CREATE_DEVICE, devices.create),
        Route(LIST_DEVICES, devices.find),
        Route(DELETE_DEVICE, devices.delete),
    ]


def _read(tag: str, path: str, **more: Any) -> Operation:
    """Declare a GET of the directory."""
    declared = {"audit": Audit(Action.READ_HISTORY, ("id",)), "problems": {404: None}, **more}
    return Operation(method="GET", path=path, tag=tag, scope="directory:read", **declared)


def _write(tag: str, method: str, path: str, **more: Any) -> Operation:
    """Declare a change of the directory."""
    declared = {"audit": Audit(_CHANGE, ("id",)), "problems": {404: None}, **more}
    return Operation(method=method, path=path, tag=tag, scope="directory:write", **declared)


def _body(model: type[Any]) -> Body:
    return Body(model, example=EXAMPLES[model.__name__])


_CONTACT: Final = "Contact Settings"
CREATE_SETTING: Final = _write(
    _CONTACT,
    "POST",
    _SETTINGS,
    id="createContactSetting",
    summary="Create contact setting",
    description="Creates the contact setting of a party, or a virtual one that another setting "
    "owns. A party has at most one.",
    audit=Audit(_CHANGE),
    body=_body(ContactSettingCreateRequest),
    answers={201: _CREATED},
    problems={404: None, 409: "The party has a contact setting, or another service keeps them"},
)
FIND_SETTINGS: Final = _read(
    _CONTACT,
    _SETTINGS,
    id="findContactSettings",
    summary="Find the contact settings of a party and of its delegates",
    description="Returns the setting of the party and those of the agents whose filters match. "
    "Every "
    "other query parameter is matched against the filters.",
    audit=Audit(Action.READ_HISTORY, party="partyId"),
    parameters=(*query("partyId", required=True), *ANY_OTHER),
    answers={200: Answer(list[ContactSetting])},
)
SETTINGS_BY_DESTINATION: Final = _read(
    _CONTACT,
    f"{_SETTINGS}/contact-channels",
    id="findContactSettingsByDestination",
    summary="Find contact settings by destination",
    description="Returns the settings with a channel to this phone number or e-mail address, "
    "oldest "
    "first.",
    audit=Audit(Action.READ_HISTORY),
    parameters=query("destination", required=True),
    answers={200: Answer(list[ContactSetting])},
)
READ_SETTING: Final = _read(
    _CONTACT,
    _SETTING,
    id="readContactSetting",
    summary="Read contact setting",
    description="Returns a contact setting with its channels.",
    answers={200: Answer(ContactSetting)},
)
UPDATE_SETTING: Final = _write(
    _CONTACT,
    "PATCH",
    _SETTING,
    id="updateContactSetting",
    summary="Update contact setting",
    description="Replaces the members that are given; channels are replaced as a whole.",
    body=_body(ContactSettingUpdateRequest),
    answers={200: Answer(ContactSetting)},
)
DELETE_SETTING: Final = _write(
    _CONTACT,
    "DELETE",
    _SETTING,
    id="deleteContactSetting",
    summary="Delete contact setting",
    description="Deletes the setting with its delegates on both sides and the virtual settings "
    "that "
    "it owns.",
    answers={204: _DELETED},
)
SETTING_CHILDREN: Final = _read(
    _CONTACT,
    f"{_SETTING}/children",
    id="readContactSettingChildren",
    summary="Read the virtual contact settings of a setting",
    description="Returns the virtual settings that this one owns, oldest first.",
    answers={200: Answer(list[ContactSetting])},
)

_AGENTS: Final = "Delegates"
CREATE_DELEGATE: Final = _write(
    _AGENTS,
    "POST",
    _DELEGATES,
    id="createDelegate",
    summary="Create delegate",
    description="The agent receives copies of the messages to the principal where one of the "
    "filters "
    "matches.",
    audit=Audit(_CHANGE),
    body=_body(DelegateCreateRequest),
    answers={201: _CREATED},
    problems={404: None, 409: "A delegate between the two exists already"},
)
FIND_DELEGATES: Final = _read(
    _AGENTS,
    _DELEGATES,
    id="findDelegates",
    summary="Find delegates by agent, principal or both",
    description="Returns delegates with their filters, oldest first. One of the two parameters is "
    "needed.",
    audit=Audit(Action.READ_HISTORY, ("agentId", "principalId")),
    parameters=query("agentId", "principalId"),
    answers={200: Answer(list[Delegate])},
)
READ_DELEGATE: Final = _read(
    _AGENTS,
    _DELEGATE,
    id="readDelegate",
    summary="Read delegate",
    description="Returns a delegate with its filters.",
    answers={200: Answer(Delegate)},
)
DELETE_DELEGATE: Final = _write(
    _AGENTS,
    "DELETE",
    _DELEGATE,
    id="deleteDelegate",
    summary="Delete delegate",
    description="Deletes a delegate with its filters.",
    answers={204: _DELETED},
)
CREATE_FILTER: Final = _write(
    _AGENTS,
    "POST",
    f"{_DELEGATE}/filters",
    id="createDelegateFilter",
    summary="Create delegate filter",
    description="Adds a filter to a delegate. A message is copied where all rules of one filter "
    "match.",
    body=_body(FilterBody),
    answers={201: _CREATED},
)
READ_FILTER: Final = _read(
    _AGENTS,
    _FILTER,
    id="readDelegateFilter",
    summary="Read delegate filter",
    description="Returns a filter with its rules.",
    audit=Audit(Action.READ_HISTORY, ("id", "filterId")),
    answers={200: Answer(Filter)},
)
UPDATE_FILTER: Final = _write(
    _AGENTS,
    "PATCH",
    _FILTER,
    id="updateDelegateFilter",
    summary="Update delegate filter",
    description="Replaces a filter with all of its rules.",
    audit=Audit(_CHANGE, ("id", "filterId")),
    body=_body(FilterBody),
    answers={200: Answer(Filter)},
)
DELETE_FILTER: Final = _write(
    _AGENTS,
    "DELETE",
    _FILTER,
    id="deleteDelegateFilter",
    summary="Delete delegate filter",
    description="Deletes a filter. Deleting the last one deletes the delegate, since a delegate "
    "without filters would receive everything.",
    audit=Audit(_CHANGE, ("id", "filterId")),
    answers={204: _DELETED},
)

PUT_PARTY: Final = _write(
    "Parties",
    "PUT",
    _PARTY,
    id="putParty",
    summary="Register or replace a party (201 when new)",
    description="Stores number, names and address of a party in place of what was stored "
    "before. The "
    "number is never returned in full.",
    audit=Audit(_CHANGE, party="partyId"),
    body=_body(PartyRequest),
    answers={
        200: Answer(RegisteredParty, "Replaced"),
        201: Answer(RegisteredParty, "Created", headers=("Location",)),
    },
    problems={409: "The number belongs to another party"},
)
GET_PARTY: Final = _read(
    "Parties",
    _PARTY,
    id="getParty",
    summary="Read a party with a masked number",
    description="Returns the directory entry of a party. The address of a party with a protected "
    "identity is left out.",
    audit=Audit(Action.READ_HISTORY, party="partyId"),
    answers={200: Answer(RegisteredParty)},
)

_PUSH: Final = "Push Subscriptions"
CREATE_DEVICE: Final = _write(
    _PUSH,
    "POST",
    _DEVICES,
    id="createSubscription",
    summary="Add a device of a party",
    description="Registers a browser or an app for push messages. A device that is registered "
    "already keeps its id.",
    audit=Audit(_CHANGE),
    body=_body(SubscriptionRequest),
    answers={201: Answer(SubscriptionId, "Created", headers=("Location",))},
)
LIST_DEVICES: Final = _read(
    _PUSH,
    _DEVICES,
    id="getSubscriptions",
    summary="List the devices of a party",
    description="Returns the devices of a party, oldest first, without their addresses and keys.",
    audit=Audit(Action.READ_HISTORY, party="partyId"),
    parameters=query("partyId", required=True),
    answers={200: Answer(list[PushSubscription])},
)
DELETE_DEVICE: Final = _write(
    _PUSH,
    "DELETE",
    f"{_DEVICES}/{{id}}",
    id="deleteSubscription",
    summary="Remove a device",
    description="Deletes a device; it receives no further push messages.",
    answers={204: _DELETED},
)
