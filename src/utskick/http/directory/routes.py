"""The directory's calls: their paths, their endpoints, and how the API describes them."""

from __future__ import annotations

from typing import Final

from utskick.http.context import ApiContext
from utskick.http.directory.contact_settings import ContactSettingCalls
from utskick.http.directory.delegates import DelegateCalls
from utskick.http.directory.parties import PartyCalls
from utskick.http.directory.push_subscriptions import SubscriptionCalls
from utskick.http.operation import Operation
from utskick.http.operation.call import Endpoint
from utskick.http.privacy.erasure import Erasing
from utskick.http.privacy.extract import ExtractCalls

_SETTINGS: Final = "Contact Settings"
_DELEGATES: Final = "Delegates"
_PARTIES: Final = "Parties"
_PUSH: Final = "Push Subscriptions"
_ERASED: Final = (
    "What no rule preserves, no hold keeps and is not on its way is removed; what is kept is told, and why. "
    "With `scope=directory` only the entry of the directory is removed, and the answer is 204"
)


def calls(service: ApiContext) -> list[Endpoint]:
    return [
        *_settings(ContactSettingCalls(service)),
        *_delegates(DelegateCalls(service)),
        *_people(service),
        *_devices(SubscriptionCalls(service)),
    ]


def _settings(to: ContactSettingCalls) -> list[Endpoint]:
    create = Operation(
        "createContactSetting",
        "Create contact setting",
        _SETTINGS,
        status=201,
        body="ContactSettingCreateRequest",
        conflict=True,
    )
    find = Operation(
        "findContactSettings",
        "Find the contact settings of a party and of its delegates; "
        "every other query parameter is held against their filters",
        _SETTINGS,
        answer="ContactSetting",
        many=True,
        query=("partyId",),
        filters=True,
    )
    by_destination = Operation(
        "findContactSettingsByDestination",
        "Find contact settings by destination",
        _SETTINGS,
        answer="ContactSetting",
        many=True,
        query=("destination",),
    )
    update = Operation(
        "updateContactSetting",
        "Update contact setting",
        _SETTINGS,
        answer="ContactSetting",
        body="ContactSettingUpdateRequest",
    )
    children = Operation(
        "readContactSettingChildren",
        "Read the virtual contact settings that one has made",
        _SETTINGS,
        answer="ContactSetting",
        many=True,
    )
    read = Operation(
        "readContactSetting", "Read contact setting", _SETTINGS, answer="ContactSetting"
    )
    return [
        Endpoint("POST", "/settings", to.create, create),
        Endpoint("GET", "/settings", to.find, find),
        Endpoint("GET", "/settings/contact-channels", to.by_destination, by_destination),
        Endpoint("GET", "/settings/{id}", to.read, read),
        Endpoint("PATCH", "/settings/{id}", to.update, update),
        Endpoint(
            "DELETE",
            "/settings/{id}",
            to.delete,
            Operation("deleteContactSetting", "Delete contact setting", _SETTINGS, status=204),
        ),
        Endpoint("GET", "/settings/{id}/children", to.children, children),
    ]


def _delegates(to: DelegateCalls) -> list[Endpoint]:
    create = Operation(
        "createDelegate",
        "Create delegate",
        _DELEGATES,
        status=201,
        body="DelegateCreateRequest",
        conflict=True,
    )
    find = Operation(
        "findDelegates",
        "Find delegates by agent, principal or both",
        _DELEGATES,
        answer="Delegate",
        many=True,
        query=("agentId", "principalId"),
        optional=True,
    )
    add = Operation(
        "createDelegateFilter", "Create delegate filter", _DELEGATES, status=201, body="FilterBody"
    )
    change = Operation(
        "updateDelegateFilter",
        "Update delegate filter",
        _DELEGATES,
        answer="Filter",
        body="FilterBody",
    )
    remove = Operation(
        "deleteDelegateFilter",
        "Delete delegate filter; the last one takes the delegate with it",
        _DELEGATES,
        status=204,
    )
    one = "/delegates/{id}/filters/{filterId}"
    return [
        Endpoint("POST", "/delegates", to.create, create),
        Endpoint("GET", "/delegates", to.find, find),
        Endpoint(
            "GET",
            "/delegates/{id}",
            to.read,
            Operation("readDelegate", "Read delegate", _DELEGATES, answer="Delegate"),
        ),
        Endpoint(
            "DELETE",
            "/delegates/{id}",
            to.delete,
            Operation("deleteDelegate", "Delete delegate", _DELEGATES, status=204),
        ),
        Endpoint("POST", "/delegates/{id}/filters", to.create_filter, add),
        Endpoint(
            "GET",
            one,
            to.read_filter,
            Operation("readDelegateFilter", "Read delegate filter", _DELEGATES, answer="Filter"),
        ),
        Endpoint("PATCH", one, to.update_filter, change),
        Endpoint("DELETE", one, to.delete_filter, remove),
    ]


def _people(service: ApiContext) -> list[Endpoint]:
    party = PartyCalls(service)
    put = Operation(
        "putParty",
        "Say who stands behind a party id (201 when new)",
        _PARTIES,
        answer="RegisteredParty",
        made=201,
        body="PartyRequest",
        missing=False,
        conflict=True,
    )
    get = Operation(
        "getParty", "Read a party, its number masked", _PARTIES, answer="RegisteredParty"
    )
    extract = Operation(
        "getPartyExtract",
        "Everything that is known of a person, as JSON or PDF",
        _PARTIES,
        answer="PartyExtract",
        query=("files", "format"),
        optional=True,
        also="application/pdf",
        long="Too long for a PDF: ask for JSON",
    )
    erase = Operation(
        "deleteParty",
        "Erase a person: directory, contact settings, devices, delegates and messages",
        _PARTIES,
        answer="Erasure",
        query=("scope", "reference"),
        optional=True,
        conflict=True,
        empty=204,
        named=True,
        text=_ERASED,
    )
    return [
        Endpoint("PUT", "/parties/{partyId}", party.put, put),
        Endpoint("GET", "/parties/{partyId}", party.read, get),
        Endpoint("GET", "/parties/{partyId}/extract", ExtractCalls(service).read, extract),
        Endpoint("DELETE", "/parties/{partyId}", Erasing(service).delete, erase),
    ]


def _devices(push: SubscriptionCalls) -> list[Endpoint]:
    subscribe = Operation(
        "createSubscription",
        "Add a device of a party; the same one again keeps its id",
        _PUSH,
        status=201,
        answer="SubscriptionId",
        body="SubscriptionRequest",
    )
    listed = Operation(
        "getSubscriptions",
        "List the devices of a party",
        _PUSH,
        answer="PushSubscription",
        many=True,
        query=("partyId",),
    )
    return [
        Endpoint("POST", "/push/subscriptions", push.create, subscribe),
        Endpoint("GET", "/push/subscriptions", push.find, listed),
        Endpoint(
            "DELETE",
            "/push/subscriptions/{id}",
            push.delete,
            Operation("deleteSubscription", "Remove a device", _PUSH, status=204),
        ),
    ]
