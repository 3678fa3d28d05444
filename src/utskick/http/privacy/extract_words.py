"""Swedish terms of the extract: sections, columns, statuses, and the members of contents."""

from __future__ import annotations

from typing import Final

TITLE: Final = "Registerutdrag"
INBOUND: Final = "Inkomna meddelanden"
PREFACE: Final = (
    "Detta är allt som kommunens utskickstjänst har sparat om personen: uppgifter i katalogen, "
    "hur personen vill bli kontaktad, alla meddelanden med innehåll, status och vad som hände på "
    "vägen, och vad som har kommit in från de nummer som de skickades till "
    "(dataskyddsförordningen artikel 15).",
    "Bilagornas innehåll återges inte här; det finns i utdraget i JSON-format. Tecken som "
    "typsnitten saknar skrivs som [U+kod].",
)
#: Beside the message types, whose labels the channels declare.
KINDS: Final = {
    "PRIVATE": "Privatperson",
    "ENTERPRISE": "Organisation",
    "webpush": "Webbläsare",
    "fcm": "App",
    "party": "Person",
    "message": "Meddelande",
    "batch": "Utskick",
}
STATUSES: Final = {
    "PENDING": "På väg",
    "AWAITING_FEEDBACK": "Väntar på besked",
    "SENT": "Skickat",
    "NOT_SENT": "Inte skickat",
    "FAILED": "Misslyckades",
    "NO_CONTACT_SETTINGS_FOUND": "Inga kontaktinställningar",
    "NO_CONTACT_WANTED": "Vill inte bli kontaktad",
    "queued": "Mottaget",
    "sending": "Skickas",
    "sent": "Skickat",
    "delivered": "Framme",
    "failed": "Misslyckades",
    "uncertain": "Ovisst",
    "deferred": "Försöks igen",
    "expired": "Tiden gick ut",
    "cancelled": "Avbrutet",
    "gathered": "Samlat för utskrift",
    "routed": "Vidare",
}
MEMBERS: Final = {
    "mobileNumber": "Mobilnummer",
    "emailAddress": "E-postadress",
    "subject": "Ämne",
    "title": "Rubrik",
    "message": "Text",
    "body": "Text",
    "text": "Text",
    "htmlMessage": "Text (HTML)",
    "sender": "Avsändare",
    "address": "Adress",
    "department": "Förvaltning",
    "party": "Mottagare",
    "partyId": "Person-id",
    "reference": "Referens",
    "contentType": "Texttyp",
    "name": "Namn",
    "firstName": "Förnamn",
    "lastName": "Efternamn",
    "organization": "Organisation",
    "organizationName": "Organisation",
    "street": "Gata",
    "careOf": "C/o",
    "apartmentNumber": "Lägenhet",
    "zipCode": "Postnummer",
    "city": "Postort",
    "country": "Land",
    "type": "Typ",
    "legalId": "Person- eller organisationsnummer",
    "names": "Namn",
    "protected": "Skyddad identitet",
    "alias": "Benämning",
    "origin": "System",
    "issuer": "Handläggare",
    "created": "Skapad",
    "modified": "Ändrad",
    "replyTo": "Svar till",
    "details": "Betalning",
    "amount": "Belopp",
    "dueDate": "Förfallodag",
    "filters": "Urval",
    "headers": "Huvudrader",
    "externalReferences": "Ärendereferenser",
    "key": "Nyckel",
    "value": "Värde",
    "erased": "Innehållet är raderat",
}
