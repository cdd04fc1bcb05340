"""Wishes to leave that are clear whatever else is said; matched against the plain words, joined by spaces."""

import re

_NEWS = (
    r"(?:nachricht(?:en)?|meldung(?:en)?|infos?|information(?:en)?|news|newsletter|mitteilung(?:en)?|sms|mails?|"
    r"benachrichtigung(?:en)?|updates?|whatsapp ?(?:nachrichten)?|werbung|post)"
)
_GET = r"(?:bekommen|erhalten|kriegen|empfangen|haben|lesen|wissen|sehen|geschickt|zugeschickt)"
_SEND = (
    r"(?:an)?(?:schreiben|schreibt|schreib|senden|sendet|schicken|schickt|schick|zuschicken|zusenden|anschreiben|"
    r"informieren|benachrichtigen|kontaktieren|belaestigen|nerven|stoeren)"
)
_WISH = r"(?:will|moechte|moecht|wollen|wuensche|wuerde|bitte|mag|darf)"

LEAVE = re.compile(
    r"\b(?:"
    + "|".join(
        (
            rf"keine[nr]? (?:\w+ )?{_NEWS} mehr(?! bekommen hat)",
            rf"{_WISH}(?: \w+){{0,6}} keine[nr]? (?:\w+ ){{0,2}}{_NEWS}",
            rf"keine[nr]? (?:\w+ ){{0,2}}{_NEWS} (?:mehr )?{_SEND}",
            rf"{_WISH}(?: \w+){{0,6}} nicht(?:s)? mehr (?:\w+ ){{0,6}}(?:{_GET}|werden)",
            rf"{_WISH} (?:\w+ ){{0,3}}nicht laenger",
            rf"nicht mehr (?:\w+ ){{0,2}}{_SEND}",
            r"(?:will|moechte) (?:das|dies|diese|sie|hier)? ?(?:alles )?nicht mehr$",
            r"(?:bin|sind) (?:\w+ ){0,2}nicht mehr (?:\w+ ){0,3}interessiert",
            r"(?:habe|hab|haben) (?:\w+ )?kein interesse(?: mehr)?(?: an (?:ihren|euren|den|diesen|dem) \w+)?$",
            rf"(?:keinen|kein) (?:bedarf|bock|lust) (?:mehr )?(?:auf|an) (?:\w+ ){{0,2}}{_NEWS}",
            r"(?:mich|uns) (?:\w+ ){0,4}(?:abmelden|austragen|abbestellen|entfernen|streichen|rausnehmen|herausnehmen)",
            r"(?:melde|meldet|melden sie|meld) (?:mich|uns) (?:\w+ ){0,3}ab\b",
            r"(?:trag|trage|tragt|tragen sie) (?:mich|uns) (?:\w+ ){0,5}aus\b",
            r"(?:nimm|nehm|nehmt|nehmen sie|streich|streiche|streichen sie|entfern|entferne|entfernen sie|schmeiss|"
            r"schmeisst|lass|lasst) (?:mich|uns|meine nummer|diese nummer) (?:\w+ ){0,4}"
            r"(?:raus|heraus|runter|verteiler|liste|gruppe|ruhe|kanal)",
            r"(?:aus|von) (?:\w+ )?(?:verteiler|verteilerliste|liste|mailingliste|gruppe) (?:\w+ ){0,2}"
            r"(?:nehmen|entfernen|streichen|loeschen|raus|austragen)",
            r"(?:abo|abonnement|newsletter|mitgliedschaft|kanal|dienst) (?:\w+ ){0,3}"
            r"(?:kuendigen|kundigen|beenden|abbestellen|stornieren|abmelden|loeschen|verlassen|abbrechen|stoppen)",
            r"(?:kuendige|beende|storniere|widerrufe) (?:\w+ ){0,3}"
            r"(?:abo|abonnement|einwilligung|zustimmung|anmeldung)",
            r"einwilligung (?:\w+ ){0,3}(?:zurueck|widerrufen|entziehen)",
            rf"{_NEWS} (?:\w+ ){{0,4}}(?:abbestellen|stoppen|beenden|abschalten|ausschalten|abstellen|einstellen|"
            r"unterlassen)",
            r"(?:hoeren sie|hoert|hoer) (?:\w+ ){0,2}auf\b",
            rf"(?:stop|stopp) (?:\w+ ){{0,3}}{_NEWS}",
            r"(?:lass|lasst|lassen sie) (?:mich|uns) (?:\w+ ){0,3}in ruhe",
            r"(?:will|moechte) (?:hier |da )?(?:wieder )?(?:raus|heraus|aussteigen|austreten)\b",
            r"(?:brauche|brauch|benoetige) "
            r"(?:das|dies|diese \w+|den \w+|es|ihre \w+|eure \w+) (?:alles )?nicht(?: mehr)?$",
            r"(?:melde|trage) ich (?:mich|uns) (?:\w+ ){0,4}(?:ab|aus)$",
            r"habe mich (?:\w+ ){0,4}abgemeldet",
            r"bitte (?:stoppen|abmelden|abbestellen|austragen|beenden|kuendigen|aufhoeren|einstellen)(?: danke)?$",
            rf"(?:brauche|will|moechte|lese) (?:\w+ ){{0,2}}{_NEWS} (?:\w+ )?nicht(?: mehr)?",
            rf"nichts mehr (?:\w+ ){{0,3}}{_SEND}",
            r"nicht mehr (?:dabei sein|mitmachen|teilnehmen|mitlesen)",
            r"(?:loesch|loescht|loeschen|loesche)(?: sie)? (?:mein|das) (?:abo|abonnement)",
            rf"^{_NEWS} (?:bitte )?(?:aus|weg|ende|off)$",
            r"unsubscribe me|^no (?:messages|texts|news)|відписатис\w*|отписат\w*|iptal et\w*",
            rf"verzichte (?:\w+ ){{0,3}}{_NEWS}",
            r"(?:sperren|sperrt|blockieren|blockiert)(?: sie)? (?:mich|meine nummer)",
            r"(?:loesch|loescht|loeschen|loesche)(?: sie)? (?:mich|uns) (?:\w+ ){0,4}(?:verteiler|liste|gruppe|kanal)",
            r"(?:mich|uns) (?:\w+ ){0,2}loeschen (?:\w+ ){0,3}(?:verteiler|liste|gruppe|kanal)",
            rf"{_NEWS} (?:\w+ )?los$",
            r"(?:melde|meldet) man sich (?:\w+ ){0,2}ab$",
            r"^(?:ich )?(?:bin )?raus(?: hier| jetzt)?$",
            r"^nicht mehr$",
            r"^no more(?: please)?$",
            r"cancel (?:\w+ )?subscription|stop (?:\w+ )?subscription",
            r"no more (?:messages|texts|news|updates)",
            r"(?:stop|quit) (?:\w+ )?(?:sending|texting|messaging|writing)",
            r"don ?t (?:send|text|write|message|want)",
            r"do not (?:send|text|write|message|contact|want)",
            r"(?:take|get|remove) me (?:off|from|out)",
            r"(?:leave me alone|opt me out|cancel (?:my|the) (?:subscription|abo))",
            r"(?:want|like) to (?:unsubscribe|cancel|opt out|quit|leave)",
            rf"aufhoeren (?:\w+ ){{0,4}}(?:{_SEND}|{_NEWS})",
            rf"(?:schluss|ende|aus|fertig) (?:jetzt )?mit (?:\w+ ){{0,2}}{_NEWS}",
            r"komme? (?:ich|man|wir) (?:\w+ ){0,3}raus$",
            r"(?:stelle|bestelle|melde|schalte|kriege) (?:ich|man) (?:\w+ ){0,3}(?:ab|aus|weg)$",
            r"(?:stell|stellt|stellen sie|schalt|schaltet|schalten sie) "
            r"(?:das|die|diese|es) (?:\w+ ){0,2}(?:ab|aus|ein)$",
            r"^(?:hiermit )?(?:ich )?(?:bestelle|trete|steige) (?:ich )?(?:\w+ ){0,4}(?:ab|aus)$",
            r"(?:abo|abonnement|newsletter) (?:ende|aus|weg|schluss|stop)$",
            r"^(?:kein|keinen|keine) (?:bedarf|lust|bock) (?:mehr|danke)$",
            r"will (?:mit \w+ )?nichts (?:mehr )?(?:\w+ ){0,3}(?:wissen|hoeren|lesen|zu tun)",
            r"nicht (?:mehr )?(?:weiter )?(?:belaestigen|kontaktieren|anschreiben)",
            r"mesaj (?:\w+ ){0,2}(?:istemiyorum|gondermeyin|atmayin|gonderme)",
            r"abonelik\w* (?:iptal|cik)\w*",
            r"لا اريد|الغاء الاشتراك|ايقاف الرسائل|لا ترسل\w*",
            r"не (?:хочу|надсилаите|пишіть|присылаите|пишите|шліть|надо|треба)",
            r"(?:nie chce|nie wysylaj\w*|nie pisz\w*|wypisz mnie|wypisac sie)",
        )
    )
    + r")"
)

# "I am not getting anything": a complaint of somebody who wants to stay.
MISSING = re.compile(
    r"\b(?:"
    r"(?:bekomme?|erhalte|kriege?|empfange) (?:\w+ ){0,4}(?:keine?|nichts|nix|nicht)\b|"
    r"(?:hab|habe|haben) (?:\w+ ){0,3}(?:keine?|nichts|nix|nicht) (?:\w+ ){0,3}(?:bekommen|erhalten|gekriegt|gehoert)|"
    r"(?:kommt|kommen) (?:\w+ ){0,3}(?:keine?|nichts|nix)|"
    r"(?:keine?|nichts|nix) (?:\w+ ){0,3}(?:angekommen|gekommen|bekommen hat)|"
    r"(?:bin ich|sind wir) (?:\w+ ){0,3}(?:angemeldet|abgemeldet|dabei)"
    r")"
)

# "I would like to get your news": wishes that are no consent yet.
JOINING = re.compile(
    rf"(?:will|moechte|wuerde|kann|koennte|haette)(?: \w+){{0,5}} {_NEWS} (?:\w+ ){{0,3}}{_GET}|"
    rf"(?:schicken|senden|schickt|sendet)(?: sie)? mir (?:\w+ ){{0,3}}{_NEWS}$|"
    r"(?:will|moechte|wuerde)(?: \w+){0,4} (?:dabei sein|mitmachen|mitlesen|beitreten|teilnehmen|informiert werden|"
    r"auf dem laufenden)|nehm(?:en sie|t)? mich (?:\w+ ){0,3}auf$|trag(?:en sie|t|e)? mich (?:\w+ ){0,3}ein$|"
    r"wie (?:melde|trage|schreibe) ich mich (?:\w+ ){0,2}(?:an|ein)$"
)

# The same in the words of somebody who is fed up, but does not say so: asked back.
FED_UP = re.compile(
    r"\b(?:nervt|nerven|nervig|belaestig\w*|nein danke|no thanks|tschuess|tschuss|auf wiedersehen|"
    r"kein interesse|nicht interessiert|zu viele (?:nachrichten|meldungen))\b"
)

# Machines that answer for people on holiday.
AUTOMATIC = re.compile(
    r"\b(?:automatische (?:antwort|nachricht)|automatisch (?:generiert|erstellt)|abwesenheitsnotiz|out of office|"
    r"auto ?reply|automatic reply|autoresponder|automated (?:message|response)|(?:derzeit|momentan|zurzeit) nicht "
    r"(?:erreichbar|im buero|verfuegbar)|werde mich (?:schnellst|so schnell|baldmoeglichst)\w*|"
    r"vielen dank fuer ihre nachricht)"
)
