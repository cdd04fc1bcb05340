"""Phrases about stopping, starting, erasing and missing messages; matched against normalized words joined by spaces.

`STOP` means a stop, whatever else the text contains.
"""

import re

_NEWS = (
    r"(?:nachricht(?:en)?|meldung(?:en)?|infos?|information(?:en)?|news|newsletter|mitteilung(?:en)?|sms|e?mails?|"
    r"e mails?|"
    r"benachrichtigung(?:en)?|updates?|whatsapp ?(?:nachrichten)?|werbung|post|rundschreiben|"
    r"texte?|hinweise?|berichte?|beitraege|zeug|sachen|chats?|posts?)"
)
_GET = (
    r"(?:bekommen|erhalten|kriegen|empfangen|beziehen|nutzen|benutzen|haben|lesen|wissen|sehen|geschickt|zugeschickt)"
)
_SEND = (
    r"(?:an)?(?:schreiben|schreibt|schreib|senden|sendet|schicken|schickt|schick|schicke|zuschicken|zusenden|anschreiben|"
    r"informieren|benachrichtigen|kontaktieren|belaestigen|nerven|stoeren)"
)
_SENDING = (
    r"(?:zusendung(?:en)?|versand|zustellung|uebermittlung|benachrichtigung(?:en)?|sendungen|belaestigung(?:en)?)"
)
_OF_OURS = (
    r"(?:mein\w*|dies\w*|ihr\w*|eur\w*|des|der|vom) (?:\w+ )?"
    r"(?:abos?|abonnements?|newsletters?|kanals?|infokanals?|dienst(?:es)?|kreisfunks?|einwilligung|anmeldung|"
    rf"{_NEWS})"
)
_NO_WISH = r"(?:will|moechte|wollen|moechten|brauche|brauchen|wuensche|wuenschen|benoetige) (?:\w+ ){0,3}keine[nr]?"
_IT = (
    r"(?:das|dies|es|sie|die|den (?:dienst|kanal|newsletter|service)|diesen \w+|"
    rf"(?:ihre|eure|die|diese) {_NEWS}|euch|hier)"
)
_WISH = r"(?:will|moechte|moecht|wollen|wuensche|wuerde|bitte|mag|darf)"

STOP = re.compile(
    r"\b(?:"
    + "|".join(
        (
            rf"keine[nr]? (?:\w+ )?{_NEWS} mehr(?! bekommen hat)",
            rf"{_WISH}(?: \w+){{0,6}} keine[nr]? (?:\w+ ){{0,2}}{_NEWS}",
            rf"keine[nr]? (?:\w+ ){{0,2}}{_NEWS} (?:mehr )?{_SEND}",
            rf"{_WISH}(?: \w+){{0,8}} nicht(?:s)? mehr (?:\w+ ){{0,6}}(?:{_GET}|werden)",
            rf"{_WISH} (?:\w+ ){{0,3}}nicht laenger|willige (?:\w+ )?nicht (?:mehr|laenger)",
            r"(?:will|moechte) (?:das|dies|diese|sie|hier)? ?(?:alles )?nicht mehr$",
            r"(?:bin|sind) (?:\w+ ){0,2}nicht mehr (?:\w+ ){0,3}interessiert",
            r"(?:habe|hab|haben) (?:\w+ )?kein interesse(?: mehr)?(?: daran| dran)?"
            r"(?: an (?:ihren|euren|den|diesen|dem) \w+)?$",
            rf"(?:keinen|kein) (?:bedarf|bock|lust) (?:mehr )?(?:auf|an) (?:\w+ ){{0,2}}{_NEWS}",
            r"(?:mich|uns) (?:\w+ ){0,4}(?:abmelden|austragen|abbestellen|entfernen|streichen|rausnehmen|herausnehmen)",
            r"(?:melde|meldet|melden sie|meld) (?:mich|uns) (?:\w+ ){0,3}ab\b",
            r"(?:trag|trage|tragt|tragen sie) (?:mich|uns) (?:\w+ ){0,5}aus\b",
            r"(?:nimm|nehm|nehmt|nehmen sie|(?:streich|entfern|schmeiss|werf)\w*(?: sie)?|wirf|"
            r"lass|lasst) (?:mich|uns|meine nummer|diese nummer) (?:\w+ ){0,4}"
            r"(?:raus|heraus|runter|verteiler|liste|gruppe|ruhe|kanal)\b(?!.*\b(?:auf|rein|hinein|hinzu|aufnehmen)\b)",
            r"(?:aus|von) (?:\w+ )?(?:verteiler|verteilerliste|liste|mailingliste|gruppe|system|datenbank) "
            r"(?:\w+ ){0,2}"
            r"(?:nehmen|entfernen|streichen|loeschen|raus|austragen)",
            r"(?:abo|abonnement|newsletter|mitgliedschaft|kanal|infokanal|dienst|kreisfunk) (?:\w+ ){0,3}"
            r"(?:kuendigen|kundigen|beenden|abbestellen|stornieren|abmelden|loeschen|verlassen|abbrechen|stoppen)",
            r"(?:kuendige|beende|storniere|widerrufe) (?:\w+ ){0,3}"
            r"(?:abo|abonnement|einwilligung|zustimmung|anmeldung)",
            r"einwilligung (?:\w+ ){0,3}(?:zurueck|widerrufen|entziehen)",
            rf"{_NEWS} (?:\w+ ){{0,4}}(?:abbestellen|stoppen|beenden|abschalten|ausschalten|abstellen|einstellen|"
            r"ausstellen|ausmachen|unterlassen)",
            r"(?:hoeren sie|hoert (?:das|es|ihr)|hoert|hoer) (?:(?!nie)\w+ ){0,2}auf\b"
            r"(?! zu (?!schreiben|schicken|senden|nerven))",
            rf"(?:stop|stopp) (?:\w+ ){{0,3}}{_NEWS}",
            r"(?:lass|lasst|lassen sie) (?:mich|uns) (?:\w+ ){0,3}in ruhe",
            rf"{_NEWS} (?:will|moechte|brauche|wuensche) ich (?:\w+ )?keine[nr]? mehr",
            r"(?:mich|uns) (?:\w+ ){0,2}in (?:ruhe|frieden) lassen",
            r"\b(?:moechte|will|wollen|wuerde) (?:\w+ ){0,8}(?:abbestellen|deabonnieren)\b",
            r"(?:will|moechte) (?:(?:hier|da|wieder|nun|jetzt|doch|nur|bitte|gern|gerne|endlich|einfach|noch) ){0,4}"
            r"(?:raus|heraus|aussteigen|austreten|ausklinken)\b",
            r"ich (?:steige?|klinke?) (?:(?:mich|hier|da|mal|jetzt|nun|dann|deshalb|wieder|lieber) ){0,4}aus\b"
            r"(?! (?:dem|der|einem|einer)\b)",
            r"(?:brauche|brauch|benoetige) "
            r"(?:das|dies|diese \w+|den \w+|es|ihre \w+|eure \w+) (?:alles )?nicht(?: mehr)?$",
            r"(?:melde|trage) ich (?:mich|uns) (?:\w+ ){0,4}(?:ab|aus)$",
            r"(?:habe|hab|hatte|haben|hatten) (?:mich|uns) (?:(?!nie|nicht)\w+ ){0,4}(?:abgemeldet|ausgetragen)",
            r"bitte (?:stoppen|abmelden|abbestellen|austragen|beenden|kuendigen|aufhoeren|einstellen)(?: danke)?$",
            rf"(?:brauche|will|moechte|lese) (?:\w+ ){{0,2}}{_NEWS} (?:\w+ )?nicht(?! dass\b)(?: mehr)?",
            rf"(?:nichts|nix) mehr (?:\w+ ){{0,3}}{_SEND}",
            rf"{_SEND} (?:(?:sie|ihr|mir|mich|uns|ihm|ihnen|bitte|jetzt|nun|da|hier|ab|heute|sofort|also|doch) ){{0,5}}"
            r"(?:nichts?|nix|nie|niemals) (?:mehr|wieder)\b",
            r"(?:hab|habe|haben|hatte|hatten) (?!nicht\b|nie\b)(?:\w+ ){0,4}(?<!nicht )(?<!kein )(?:stop|stopp) "
            r"(?:\w+ ){0,2}(?:geschrieben|geschickt|gesendet|gesagt|getippt|eingegeben)",
            rf"(?:kuendigung|abbestellung|abmeldung|widerruf|beendigung|stornierung|aufloesung) {_OF_OURS}",
            r"(?:loesch|streich|entfern|nehm|nimm)\w*(?: sie)? (?:sie|ihn|es|ihre nummer|seine nummer|"
            r"die nummer|mein\w* \w+) "
            r"(?:\w+ ){0,2}(?:aus|von) (?:\w+ )?(?:verteiler|liste|kanal|gruppe|system|datenbank)",
            r"(?:lass|lasst|lassen sie) (?:mich|uns) (?:\w+ ){0,3}(?:in frieden|zufrieden)",
            r"^(?:sofort |bitte |endlich )*aufhoeren mit\b",
            r"(?:haette|waere|wuerde) (?:\w+ ){0,4}(?:abgemeldet|ausgetragen|gestrichen)$",
            r"nicht mehr (?:dabei sein|mitmachen|teilnehmen|mitlesen)",
            r"(?:loesch|loescht|loeschen|loesche)(?: sie)? (?:mein|das) (?:abo|abonnement)",
            rf"^{_NEWS} (?:bitte )?(?:aus|weg|ende|off)$",
            r"^no (?:messages|texts|news)",
            r"kein\w* (?:abonnent\w*|empfaenger\w*|mitglied\w*|teilnehmer\w*) mehr",
            rf"verzichte (?:\w+ ){{0,3}}{_NEWS}",
            r"(?:sperren|sperrt|blockieren|blockiert)(?: sie)? (?:mich|meine nummer)",
            r"(?:loesch|loescht|loeschen|loesche)(?: sie)? (?:mich|uns) (?:\w+ ){0,4}(?:verteiler|liste|gruppe|kanal)",
            r"(?:mich|uns) (?:\w+ ){0,2}loeschen (?:\w+ ){0,3}(?:verteiler|liste|gruppe|kanal)",
            rf"{_NEWS} (?:\w+ )?los$",
            r"(?:melde|meldet) man sich (?:\w+ ){0,2}ab$",
            r"^(?:ich )?(?:bin )?raus(?: hier| jetzt)?$",
            r"^(?:(?:ich|will|moechte|bin|hier|sofort|jetzt|endlich|also) )*raus (?:(?:hier|mit mir|mit uns) )?"
            r"(?:aus|von) (?:\w+ )?(?:gruppe|liste|verteiler|kanal|chat)(?! (?:der|des))",
            r"(?<!nicht )(?<!nie )(?<!fall )raus aus (?:\w+ )?(?:verteiler|verteilerliste|newsletter)\b",
            r"^nicht mehr$",
            r"opt me out|stop (?:\w+ )?subscription",
            rf"aufhoeren (?:\w+ ){{0,4}}(?:{_SEND}|{_NEWS})",
            rf"(?:schluss|ende|aus|fertig) (?:jetzt )?mit (?:\w+ ){{0,2}}{_NEWS}",
            r"komme? (?:ich|man|wir) (?:\w+ ){0,3}raus$",
            r"(?:stelle|bestelle|melde|schalte|kriege) (?:ich|man) (?:\w+ ){0,3}(?:ab|aus|weg)$",
            r"(?:stell|stellt|stellen sie|schalt|schaltet|schalten sie) "
            r"(?:das|die|diese|es) (?:(?:hier|jetzt|mal|man|doch|endlich|wieder|sofort|einfach|alles|ganze|auch|"
            rf"bei mir|zeug|ding|kram|mist|{_NEWS}) ){{0,3}}(?:ab|aus|ein)$",
            r"^(?:hiermit )?(?:ich )?(?:bestelle|trete|steige) (?:ich )?(?:\w+ ){0,4}(?:ab|aus)$",
            r"(?:abo|abonnement|newsletter) (?:ende|aus|weg|schluss|stop)$",
            r"^(?:\w+ )?(?:kein|keinen|keine) (?:bedarf|lust|bock) (?:mehr|danke)$",
            r"will (?:mit \w+ )?nichts (?:mehr )?(?:\w+ ){0,3}(?:wissen|hoeren|lesen|zu tun)",
            r"nicht (?:mehr )?(?:weiter )?(?:belaestigen|kontaktieren|anschreiben)",
            r"widersp\w+ (?:ich )?(?:hiermit )?(?:der|einer|jeder|die|den|dem|ihrer) (?:\w+ ){0,2}"
            r"(?:nutzung|verarbeitung|verwendung|speicherung|zusendung|werbung|nachrichten|kontaktaufnahme)",
            r"(?:werde|werden|kriege) (?:ich|wir|man) (?:euch|sie|das|dies|das hier|die hier)(?: \w+){0,2} los\b",
            rf"(?:stellen|stellt|stelle|stell) (?:sie )?(?:\w+ ){{0,4}}{_SENDING} (?:\w+ )?ein\b",
            rf"(?:ende|beenden|(?<!ist )(?<!sind )beendet|stoppen|stoppt|stop|stopp|unterlassen|"
            rf"einstellen) (?:sie )?(?:\w+ ){{0,3}}{_SENDING}",
            r"cancel (?:\w+ )?subscription",
            rf"{_WISH}(?: \w+){{0,6}} (?:abgemeldet|ausgetragen|gestrichen|entfernt) werden",
            r"(?:loeschung|streichung|entfernung|austragung|abmeldung) (?:\w+ ){0,3}(?:verteiler|liste|kanal|gruppe)",
            r"nicht (?:mehr|weiter|nochmal|noch einmal|laenger|wieder) (?:\w+ ){0,3}"
            rf"(?:{_SEND}|angeschrieben|kontaktiert|belaestigt|informiert|benachrichtigt|gestoert|genervt)",
            rf"(?:nutze|nutzen|verwende|brauche|brauch|benoetige|lese|will|mag|moechte|wuensche) (?:ich |"
            rf"wir )?{_IT} (?:\w+ )?"
            r"(?:nicht|nimmer|nix)(?: (?:mehr|laenger|weiter))?(?: (?:nutzen|haben|bekommen|lesen|verwenden|"
            r"erhalten))?$",
            rf"{_IT} (?:nutze|brauche|brauch|benoetige|lese|will|mag|moechte) ich (?:\w+ )?(?:nicht|nimmer)(?: mehr)?$",
            r"^(?:nein |noe |danke )*(?:will|moechte|brauche|brauch|mag) ich (?:nicht|nimmer)(?: mehr)?$",
            r"(?:^|\b(?:mein|das|dieses) )(?:abo|abonnement|newsletter) (?:\w+ ){0,2}(?:gekuendigt|abbestellt|"
            r"aufloesen)$|^(?:ich )?(?:hab|habe|hatte) "
            r"(?:(?!nie|nicht)\w+ ){0,2}(?:gekuendigt|abbestellt)$",
            r"^(?:ich )?trete (?:\w+ ){0,3}zurueck$|kein(?:en)? kontakt(?: mehr)?\b",
            r"^(?:von )?(?:alles?|allen?|saemtlichen?|alle) (?:themen |nachrichten |meldungen )?(?:\w+ )?(?:abmelden|"
            r"abbestellen|"
            r"stop|stopp|kuendigen|austragen|beenden|abwaehlen|aus|weg)$",
            r"anmeldung (?:\w+ ){0,3}(?:rueckgaengig|stornieren|zuruecknehmen|zurueckziehen|zurueck|widerrufen|"
            r"loeschen|"
            r"aufheben|annullieren|beenden)",
            r"(?:versehentlich|aus versehen|irrtuemlich|ungewollt|ungefragt|ohne \w+ wissen) (?:\w+ ){0,3}"
            r"(?:angemeldet|start|abonniert)",
            r"(?:zieh|ziehe|nehme|entziehe) (?:\w+ ){0,4}(?:einwilligung|zustimmung|einverstaendnis|erlaubnis|"
            r"genehmigung)",
            r"(?:verbiete|untersage) (?:\w+ ){0,8}(?:schreiben|kontakt\w*|nachrichten|senden|schicken|nutzung)",
            r"(?:mach|macht|machen sie) (?:das|es|die|dies) (?:\w+ )?(?:aus|weg)\b|^mach aus$",
            r"(?:nicht|nie) (?:mehr |wieder |weiter )?(?:stoeren|nerven|belaestigen)|"
            r"(?:stoer|nerv|belaestig)\w* (?:sie )?(?:mich|uns) (?:\w+ ){0,2}(?:nicht|nie)\b",
            r"\bnimmer (?:\w+ )?(?:schicken|schreiben|senden|haben)",
            rf"^(?:{_WISH} |ich )*keine[nr]? (?:weiteren? )?{_NEWS}$",
            rf"(?:wie|was|wo) (?:\w+ ){{0,8}}(?:keine|nichts|nicht) (?:\w+ ){{0,3}}mehr (?:\w+ ){{0,3}}{_GET}",
            r"(?:verschont|verschonen sie|verschone) (?:mich|uns)",
            r"(?:nie|niemals) (?:wieder|mehr) (?:\w+ ){0,3}(?:schreiben|schicken|senden|kontaktieren|anschreiben)",
            rf"{_NO_WISH} (?:\w+ ){{0,3}}{_NEWS}(?! \w*angekommen)(?:$| (?:{_GET}|{_SEND}))",
            r"nix mehr (?:\w+ ){0,3}(?:haben|kriegen|wissen)|"
            rf"(?:reicht|langt|genug) (?:\w+ ){{0,3}}mit "
            rf"(?:de[nmr]?|euren?|ihren|eurem|ihrem|diesen|all\w*) (?:\w+ )?{_NEWS}",
            r"(?:lass|lasst|lassen sie) (?:das|es|dies) (?:man )?(?:(?:bitte|jetzt|endlich|ab|sofort|einfach|mal|"
            r"kuenftig|in|zukunft|heute|gefaelligst) ){0,4}(?:mit (?:\w+ ){1,3})?(?:sein|bleiben|na)"
            rf"(?: mit (?:\w+ ){{0,2}}{_NEWS})?$",
            r"^(?:das|dies|es) ist (?:\w+ )?spam$|^nicht (?:wieder|mehr|nochmal) anmelden$|"
            r"^(?:ich )?wollte? (?:das|dies|es|sowas) (?:gar |doch |ueberhaupt )?nicht$",
            r"(?:start|anmeldung|anmelden) war (?:\w+ ){0,2}(?:versehen|fehler|irrtum)",
            r"falsche nummer (?:\w+ ){0,8}(?:nicht mehr|keine|loeschen|entfernen)",
        )
    )
    + r")"
)

# No messages, permanently or for a while.
SILENCE = re.compile(
    rf"\bkeine[nr]? (?:\w+ ){{0,2}}{_NEWS}|\b(?:nichts|nix|nicht) (?:\w+ ){{0,4}}{_SEND}|"
    r"\b(?:nicht|nie) (?:\w+ ){0,2}(?:gestoert|angeschrieben|kontaktiert)|\bkeine mehr\b|\bruhe\b"
)

# "I am not getting anything": a complaint from somebody who wants to stay subscribed.
MISSING = re.compile(
    r"\b(?:"
    r"(?:bekomme?|erhalte|kriege?|empfange) (?:\w+ ){0,4}(?:keine?|nichts|nix|nicht)\b|"
    r"(?:hab|habe|haben) (?:\w+ ){0,3}(?:keine?|nichts|nix|nicht) (?:\w+ ){0,3}(?:bekommen|erhalten|gekriegt|gehoert)|"
    r"(?:kommt|kommen) (?:\w+ ){0,3}(?:keine?|nichts|nix)|"
    r"(?:keine?|nichts|nix) (?:\w+ ){0,3}(?:angekommen|gekommen|bekommen hat)|"
    r"(?:bin ich|sind wir|haben sie mich|habt ihr mich|habe ich mich) (?:\w+ ){0,3}(?:angemeldet|abgemeldet|dabei)|"
    r"^bin (?:angemeldet|abgemeldet) oder"
    r")"
)

_US = r"(?:kreis|landkreis|osterholz|kreisverwaltung|verwaltung|ihnen|euch|ohz)"

# "I would like to get your news": requests that are not consent yet.
JOINING = re.compile(
    rf"(?:will|wollen|moechte|moechten|wuerde|wuerden|wollt|wollte|kann|koennte|haette)(?: \w+){{0,5}} "
    rf"{_NEWS} (?:\w+ ){{0,3}}{_GET}|"
    rf"(?:schicken|senden|schickt|sendet)(?: sie)? mir (?:\w+ ){{0,3}}{_NEWS}$|"
    r"(?:will|moechte|wuerde|wuerden|moechten|wollt|wollte)(?: \w+){0,4} (?:dabei sein|mitmachen|mitlesen|"
    r"beitreten|teilnehmen|informiert werden|"
    r"auf dem laufenden)|nehm(?:en sie|t)? mich (?:\w+ ){0,3}auf$|trag(?:en sie|t|e)? mich (?:\w+ ){0,3}ein$|"
    r"(?:aufnahme|eintragung|anmeldung) (?:in|fuer|zum|zu|im|fuers) (?:\w+ )?(?:verteiler|liste|newsletter|kanal|"
    r"dienst|infokanal|"
    r"whatsapp)|(?:setz|pack|schreib)\w* (?:sie )?(?:mich|uns) (?:\w+ ){0,3}(?:liste|verteiler)|"
    r"informier\w* (?:sie )?(?:mich|uns)\b|"
    r"halte\w* (?:sie )?(?:mich|uns) (?:\w+ ){0,2}laufenden|(?:interessiere|interessieren) (?:mich|uns) (?:sehr )?fuer "
    rf"(?:\w+ )?(?:{_NEWS}|kanal|dienst|service)|(?:will|moechte|haette|wuensche|brauche|wollt|wollte) "
    rf"(?:\w+ ){{0,3}}(?:{_NEWS}|kreisfunk|infokanal)(?: (?:vom|von|aus|ueber|fuer|im) (?:\w+ )?{_US}| auch)?"
    r"(?: (?:aufs?|per|ueber|via) (?:\w+ )?(?:handy|telefon|smartphone|whatsapp))?$|"
    r"\b(?:ich|wir) (?:moechte|will|wuerde|haette|wollen|moechten) (?:das |es |die |sie )?(?:gerne? )?"
    r"(?:auch|ebenfalls)"
    r"(?: (?:haben|bekommen|gerne?|machen|kriegen))*$|^ich auch$|"
    rf"^wie (?:bekomme?|kriege?|erhalte) (?:ich|man|wir) (?:\w+ ){{0,4}}{_NEWS}\b|"
    r"^(?:ich |wir )?(?:will|moechte|wuerde|wollen) (?:\w+ ){0,3}(?:rein|hinein|zurueck)$|"
    r"^(?:mich )?wieder (?:mit )?(?:rein|dabei)$|"
    r"(?:nehmt|nehmen sie|holt|holen sie|lasst?|lassen sie) (?:mich|uns) (?:doch )?wieder (?:mit )?(?:rein|dazu|auf)|"
    r"(?:mich|uns) wieder (?:mit )?(?:aufzunehmen|aufnehmen|anzumelden|reinnehmen|dazunehmen)|"
    r"^(?:newsletter|kreisfunk|infokanal|verteiler|abos?|whatsapp (?:kanal|dienst|newsletter))$|"
    r"(?:abo|abonnement|newsletter) (?:\w+ )?(?:bestellen|abschliessen|buchen|bekommen)|"
    r"bestelle (?:\w+ )?(?:newsletter|abo)|"
    r"(?:moechte|will|wuerde) (?:\w+ ){0,2}sich anmelden$|^teilnahme$|^(?:schickt|schicken sie|sendet|"
    r"senden sie) (?:mir|uns) alles$|"
    r"wie (?:melde|trage|schreibe) ich mich (?:\w+ ){0,2}(?:an|ein)$|"
    r"\b(?:willige|stimme) (?:ich )?(?:\w+ ){0,7}(?:ein|zu)\b(?! \w*widerruf)|"
    r"\b(?:gebe|erteile|erklaere) (?:ich )?(?:\w+ ){0,3}(?:einwilligung|einverstaendnis|zustimmung|erlaubnis)\b"
)

# Somebody who unsubscribed by mistake.
MISTAKEN = re.compile(
    r"(?:versehentlich|aus versehen|irrtuemlich|ungewollt|ausversehen) (?:\w+ ){0,3}(?:abgemeldet|abmelden|stop|stopp|"
    r"abbestellt|beenden|beendet|"
    r"ausgetragen|gekuendigt)|"
    r"(?:stop|stopp|abmeldung|abmelden) (?:\w+ ){0,2}war (?:\w+ ){0,2}(?:versehen|fehler|irrtum)|"
    r"(?:versehen|fehler|irrtum) mit (?:dem|der) (?:stop|stopp|abmeldung|abmelden)|"
    r"(?:mich|uns) (?:\w+ ){0,2}(?:abgemeldet|ausgetragen) (?:\w+ ){0,2}war (?:\w+ ){0,3}"
    r"(?:versehen|fehler|irrtum|dumm\w*)|"
    r"(?:stopp?|abmeldung|abmelden|kuendigung) war (?:\w+ ){0,3}(?:(?:nicht|nie) (?:\w+ )?(?:gewollt|gemeint|"
    r"beabsichtigt|ich|mir)|(?:mein|unser)\w* \w+|keine absicht|unabsichtlich|unbeabsichtigt|falsch|verkehrt)|"
    r"(?:stopp?|abmeldung|abmelden|kuendigung) (?:\w+ ){0,3}(?:rueckgaengig|zurueck|zuruecknehmen)\b|"
    r"\bhabe? (?:ich )?mich (?:\w+ )?(?:nicht|nie) abgemeldet\b.*\bweiter\b|\bwollte (?:gar |doch )?nicht raus\b|"
    r"\bstopp? war (?:\w+ )?(?:vertipper|quatsch|missverstaendnis)\b|"
    r"\bwollte (?:mich|uns) (?:(?:doch|gar|ja|eigentlich|ueberhaupt|auch) ){0,3}nicht (?:\w+ )?(?:abmelden|austragen)"
    r"\b.*\b(?:wieder|versehen|war)\b|"
    r"\b(?:abgemeldet|stopp? (?:gedrueckt|geschrieben|geschickt|getippt))\b.*"
    r"\b(?:(?:ich wollte|wollte ich) (?:das|es) (?:gar |doch |aber )?nicht|wieder rein)\b|"
    # "Hab mich gestern vertippt und stop geschrieben. Ich will die Nachrichten natürlich weiter haben"
    r"^(?!.*\b(?:nicht|nichts|nix|nie|niemals|nimmer|weder|ohne|kein\w*|wer)\b)"
    r"(?=.*\b(?:ich (?:will|moechte)|(?:will|moechte) ich)\b)(?=.*\b(?:vertippt|verklickt|verdrueckt|verschrieben)\b)"
    r"(?=.*\bstopp? (?:gedrueckt|geschrieben|geschickt|getippt)\b).*\b(?:nachrichten|meldungen|infos)\b"
    r"(?: (?:will|moechte|ich|gern|gerne|natuerlich|aber|doch|schon|auch|unbedingt|alle))*"
    r" weiter(?:hin)? (?:haben|bekommen|erhalten|kriegen|lesen)$"
)

# Words of somebody who is fed up without asking to stop: the reply asks the person.
FED_UP = re.compile(
    r"\b(?:nervt|nerven|nervig|belaestig\w*|nein danke|no thanks?|no thank you|tschuess|tschuss|auf wiedersehen|"
    r"(?:stop|stopp|abmelde) ?(?:knopf|taste|button|funktion|link)|kein interesse|nicht interessiert|"
    r"zu viele? (?:nachrichten|meldungen)|mir (?:\w+ )?zu viel|viel zu viel|schnauze|klappe|verpiss\w*|fick\w*|"
    r"ruhe|falsche nummer|falschen? empfaenger|wohne (?:\w+ ){0,3}nicht mehr|(?:umgezogen|weggezogen|"
    r"ziehe (?:\w+ ){0,2}weg)|kein buerger|"
    r"(?:kann|koennt|koennen|koennte|laesst|geht) (?:(?:man|ich|sich|ihr|sie|das|es|dies|hier|alles|auch|wieder|"
    r"irgendwie|mal) )*(?:aus|ab)(?:zu)?(?:stellen|schalten|machen)|"
    r"genug von|finger weg|aufhoert|(?:mein|meinen|meinem|zum) anwalt|rechtliche schritte|abmahn\w*|"
    r"bundesnetzagentur|verbraucherzentrale|(?:sie|euch) (?:\w+ )?anzeigen|"
    r"ich wollte (?:das|es|dies|sowas|so was) (?:\w+ )?nicht$|"
    r"reicht (?:es|s) (?:mir|jetzt|aber|nun)|(?:jetzt|mir|nun) reichts?\b|"
    r"(?:keine|nie) (?:\w+ ){0,2}(?:erlaubnis|einwilligung|zustimmung|genehmigung|zugestimmt|eingewilligt)|"
    r"^nix$|geht weg|hau ab|keine lust|kein bock|keinen bock|zum kotzen|belaestigung|frechheit|unerwuenscht|"
    r"(?:will|moechte|wollen) (?:\w+ ){0,4}keine? \w+ mehr (?:\w+ )?(?:bekommen|erhalten|kriegen|haben|geschickt))\b"
)

# "Seit zwei Wochen keine Nachrichten", "Vor drei Tagen angemeldet, nichts gekommen": what did not come, no pause.
MISSED = re.compile(
    r"\b(?:seit|letzten|vergangenen) (?:\w+ ){1,2}(?:nichts|nix|keine|funkstille|kam|kamen)\b|\bfunkstille seit\b|"
    r"\b(?:nichts|nix|keine \w+) (?:\w+ )?(?:gehoert|gekommen)\b|\bvor \w+ \w+ angemeldet\b|"
    r"^(?:ich |wir |jetzt |nun |schon )*(?:hab|habe|haben) (?:\w+ ){1,4}(?:nichts|nix|keine \w+) "
    r"(?:bekommen|erhalten|gekriegt)$"
)
# "Bitte um Antwort bis 15.12.", "Wir sehen uns bis Montag"
DEADLINE = re.compile(
    r"\b(?:antwort\w*|rueckmeldung|frist|antrag|antraege|bewerb\w*|rechnung|gebuehr\w*|unterlagen|einreichen)\b|"
    r"^(?:wir )?sehen (?:wir )?uns\b|^ich melde mich\b"
)
NOT_FOR_NOW = re.compile(
    r"\bnicht (?:nur |bloss )?(?:voruebergehend|vorerst|erstmal|zeitweise|fuer (?:eine|ne) weile)\b"
)

# Automatic replies during an absence.
AUTOMATIC = re.compile(
    r"\b(?:automatische (?:antwort|nachricht)|automatisch (?:generiert|erstellt)|abwesenheitsnotiz|out of office|"
    r"auto ?reply|automatic reply|autoresponder|automated (?:message|response)|(?:derzeit|momentan|zurzeit) nicht "
    r"(?:erreichbar|im buero|verfuegbar)|werde mich (?:schnellst|so schnell|baldmoeglichst)\w*|"
    r"vielen dank fuer ihre nachricht)"
)

# "Könnte man meine Daten theoretisch löschen lassen?", "Alle Daten löschen, geht das?"
IN_THEORY = re.compile(
    r"\b(?:theoretisch\w*|hypothetisch|angenommen|interesse ?halber|nur (?:mal )?so|(?:geht|ginge) (?:das|es)|"
    r"(?:ist|waere) (?:das|es) (?:\w+ )?moeglich)\b"
)
# "Habe ich das Recht, dass …", "Wer löscht meine Daten?", "Wenn ich sterbe, sollen meine Daten gelöscht werden"
NO_REQUEST = re.compile(
    r"^(?:(?:und|aber|also|dann|eigentlich) )*(?:(?:darf|duerfte|muss|soll|sollte|kann|koennte|habe?) (?:ich|man|wir)|"
    r"(?:muss|muessen|muesst|habt|haben|loescht) (?:sie|ihr|man)|(?:laesst|lassen) sich|"
    r"(?:kann|koennen|koennten?) meine|wer|wie|wo|wann|was|warum|wieso|weshalb|welche|ist|waere|steht|wird|werden|"
    r"wurden?|sind|geht)\b|"
    r"\b(?:wenn|falls|sobald|sofern|bevor|ob|man|vielleicht|eventuell|irgendwann|spaeter|erst|ueberlegen?|ich wollte|"
    r"doch nicht|ein recht|nicht (?!mehr\b)(?:\w+ ){0,3}(?:loesch\w*|geloescht|vergess\w*)|gesagt|"
    r"wann (?:\w+ ){0,3}geloescht|dass (?:sie|ihr) (?:mich|uns) vergess\w*|if)\b"
)
_WISHES = r"(?:will|wollen|moechten?|wuensche|verlange|fordere|beantrage|erwarte|bitte|ersuche|bestehe|widerrufe)"
# "Löschen Sie …", "ich will, dass …", "meine Daten sollen gelöscht werden"
REQUESTS = re.compile(
    rf"^(?:(?:hiermit|jetzt|und|dann) )*{_WISHES}\b|\b(?:ich|wir) (?:\w+ ){{0,3}}{_WISHES}\b|\b{_WISHES} (?:ich|wir)\b|"
    r"\b(?:loesche?|loescht|vergiss|vergesst|vernichtet|delete|erase|usun|sil|silin)\b(?! (?:ihr|man|sich|er|sie))|"
    r"\b(?:loeschen|vergessen|vernichten) sie\b|\b(?:bitte|please)\b|"
    rf"\bich\b.* {_WISHES} dass\b|^alles loeschen\b(?! lassen)|\bloeschantrag\b|"
    r"^(?=.*\b(?:daten|\w*nummer|alles|konto|angaben)\b).*"
    r"\b(?:sollen|soll|muessen|muss|gehoeren|gehoert) (?:\w+ ){0,4}geloescht\b|"
    r"\brecht auf (?:loeschung|vergessen\w*)"
)
ASKED_OF_US = re.compile(
    r"\b(?:(?:koennen|koennten|wuerden) sie|(?:koennt|koenntet|wuerdet) ihr|(?:can|could|would) you)\b"
)
