"""Words by their use, spelled without accents and with umlauts written out.

Learners' spellings and the most common words in English, Turkish, Arabic, Ukrainian, Russian and Polish are included.
"""

from collections.abc import Set

from services.subscriptions.domain.intents.text import read_words

POLITE = read_words("""bitte bite bidde biddeschoen danke dankeschoen dank vielen hallo halo hello hi hey moin servus
    guten gute tag morgen abend mahlzeit liebe lieber liebes team gruss gruesse gruessen gruse freundlichen mfg lg vg
    viele beste besten freundliche herzliche herzlichen schoene schoenen nette sehr geehrte damen herren und please
    thanks thx thank you pls lutfen lütfen merhaba tesekkurler teşekkürler sağol prosze dziekuje merci svp gracias
    grazie mulțumesc hvala molim faleminderit bonjour bonsoir buongiorno hola obrigado selam salam zdravo dzien dobry
    wieczor dzieki czesc добрий день вечір доброго ранку привет здравствуйте спасибі благодаря السلام عليكم صباح مساء
    الخير سلام будь ласка дякую привіт пожалуйста спасибо من فضلك شكرا مرحبا punkt komma ausrufezeichen fragezeichen""")

SIGN_OFF = read_words("gruss gruesse gruessen gruse lg vg mfg bg hochachtungsvoll")

STOP = read_words("""stop stopp stpo sotp stob stopo stpp stopf stup stoop schtop schtopp st0p sttop stopt sopt stp dtop
    wtop etop ytop xtop srop szop sgop sfop stip stoo sto sdop sdopp schdop schdopp stobp ztop ssop atop stlp stio
    stoip stopq 7867 стоп توقف قف""")
STOP_WORDS = STOP | read_words("""stopall revoke arret baja uitschrijven afmelden deabo stoppt stoppen stoppe stops
    stopen stopping abmelden abmeldung abmelde abmeldn
    abmeldet abbestellen abbestellung abbestelle abbestelen abestellen austragen austragung austrage austragn
    deabonnieren deabonniere unsubscribe unsubscribed unsuscribe beenden beende beendet benden kuendigen kuendigung
    kuendige kundigen kundigung kuendigt entfernen entferne entfernt entfernung abschalten ausschalten deaktivieren
    abstellen ausstellen stornieren storno widerruf widerrufen widerrufe widerspruch widerspreche austreten austritt
    verlassen
    rausnehmen ausschliessen quit optout remove einstellen unterlassen streichen iptal durdur dur durdurun
    abonelikten ayril ayrilmak зупинити зупини скасувати скасуй відписатися відписка відписатись припинити
    отписаться отписка остановить отменить الغاء ايقاف وقف اوقف الغ wypisz wypisac anuluj anulowac rezygnuje
    zrezygnowac zatrzymaj aufloesen verzichte verzicht verzichten beendigung stornierung streichung abzubestellen
    abzumelden
    auszutragen weglassen""")
STOP_ALONE_WORDS = read_words("""ende end quit cancel optout aufhoeren schluss raus weg genug basta verschwindet reicht
    reichts spam enough finish leave remove aus off abbruch abbrechen cik cikis istemiyorum koniec rezygnacja kapat kes
    خروج كفى кінець досить вихід хватит exit halt hoert hoer aufhoern""")
NEVER = read_words("""nimmer weder nicht nich net nit kein keine keinen keiner keinesfalls keineswegs nie niemals never
    dont don ned не""")
NO = NEVER | read_words("nix nichts ohne no non")

ONLY = read_words(
    "nur only ausschliesslich lediglich bloss reichen reicht genuegen genuegt sadece tylko тільки только فقط"
)

START = read_words("start anmelden anmeldung abo abonnieren abonnement subscribe")
START_ALONE = START | read_words("""starten join basla baslat старт почати підписатися підписатись підписка
    подписаться начать ابدا اشتراك اشترك بدا zapisz subskrybuj zapisac rozpocznij""")
START_AROUND = read_words("""ja ich moechte moecht will wuerde gern gerne mich mir uns wir sie jetzt wieder hier den
    dem
    der die zum zu vom von fuer in bei ihr ihren ihrem diesen diesem auch doch noch nochmal nochmals erneut mal hiermit
    sofort direkt newsletter kanal infokanal verteiler dienst service landkreis kreis osterholz kreisfunk nachrichten
    meldungen infos informationen whatsapp moechten wollen wuerden bekommen erhalten i want to would like me""")
START_LIKE_WORDS = START_ALONE | read_words("""angemeldet eintragen aufnehmen mitmachen mitlesen dabei beitreten
    teilnehmen registrieren registrierung einschreiben hinzufuegen reaktivieren zurueck neu loslegen freischalten
    einschalten aktivieren anschalten 78278 startet starte anmelde abonniere abonniert ol kayit mnie""")

HOW = read_words("""sich wie kann koennen koennte man was muss muessen soll wo geht mache tun how can do s gehts warum
    wieso weshalb nicht funktioniert klappt denn das es machen""")
CANNOT = read_words("kann koennen konnte geht klappt funktioniert moeglich can cannot cant")
# Words that say nothing by themselves. "Nur", "weg", "ohne", "weiter", "wann" and the like do, and are not here.
_GENERAL_FILLERS = read_words("""aber also am ansonsten ausserdem beim da dabei dadurch dafuer daher damit danach dann
    daran darauf darum deshalb deswegen dort durch eben eher eigentlich einmal er erst etwas eventuell gar genau gerade
    halt hiermit im immer irgendwann irgendwas irgendwie irgendwo je jedoch leider momentan naemlich nach nun nunmehr
    ob obwohl oder sehr seit sich sobald somit sondern sonst sowieso tatsaechlich trotzdem ueber ueberhaupt um und
    vielleicht wegen weil wenn wohl zwar kuenftig zukuenftig zukunft demnaechst laenger weiterhin versehentlich
    unbedingt umgehend unverzueglich bald more any ihrerseits ihm ihn eine ein einen einem einer irrtuemlich vun jo
    hebben heff ji laat allerdings dringend versehen quatsch mist scheiss scheisse kram bloedsinn unsinn unfug schrott
    dreck laufenden fristlose fristgerechte sofortige naechstmoeglichen naechstmoeglich naechsten zeitpunkt
    fristgerecht fristlos sofortiger wirkung schriftlich dankend meines ihres dieses eures euerm euren unseres des ab
    freundlich hoeflichst hoeflich moeglichst schnell hatte hattet hat sei sind seid wurde wurden worden""")
FILLER_WORDS = (
    _GENERAL_FILLERS
    | read_words("""ich ch moechte moecht will wil wollen wollte wuerde mich mir uns wir von vom dem den der das die
        diesen diese dieser ihr ihre ihren ihrem eure euer mein meine meinen sie es hier ganz komplett alle alles allem
        jetzt sofort gleich heute gern gerne endlich wirklich doch einfach auch ja nein so mal schon kanal newsletter
        newsletters abos abonnements kanals dienstes verteilers kreisfunk kreisfunks infokanal infokanals dings ding
        verteiler liste gruppe nachricht nachrichten meldung meldungen info infos information informationen mitteilung
        mitteilungen benachrichtigung benachrichtigungen news rundschreiben texte hinweise berichte updates werbung
        post sms mail mails whatsapp chat abo abonnement dienst service handy nummer telefon zusendung zusendungen
        werden wird aus mit zu zum haben hab habe erhalten bekommen kriegen empfangen schicken schickt schicke schick
        senden sendet sende send schreiben schreibt schreib schreibe zuschicken wieder noch my me i the messages
        message all to want from mehr mer meer interesse interessiert interessiere interessieren ihnen euch nehmen
        nehmt nehm nimm weiteren weitere weiter melden melde meldet fuer bei brauche brauchen brauch benoetige wuensche
        wuenschen bin ist an auf hoeren hoert hoer lassen lasst lass ruhe loeschen landkreis kreis osterholz in etmek
        et ol bana mesaj mesajlar gonderme artik الاشتراك اشتراك الرسائل رسائل لا اريد мене мені повідомлення сообщения
        мне больше не надсилайте mnie mi wiadomosci nie chce wiecej это""")
    | POLITE
)
# Words for our messages: without a request, they are a complaint and no stop.
RECEIVED = read_words("""nachricht nachrichten meldung meldungen info infos informationen mitteilung mitteilungen
    news benachrichtigung benachrichtigungen nichts newsletter rundschreiben texte hinweise berichte""")
WISHED = read_words("will moechte moecht wuensche wuerde bitte wollen wollte nein stop stopp mag")

# Words for a stop that do not say of what.
LEAVE_US = read_words("""abmelden abmeldung abbestellen abbestellung austragen austragung kuendigen kuendigung
    kuendige deabonnieren unsubscribe austreten widerruf widerrufen""")
OWN = read_words("""mein meine meinen meiner meinem unser unsere unseren ein eine einen der die das den dem ihn es
    sein""")

# Words for other things to sign up for or cancel: next to these, only a plain "Stop" counts.
OTHER_BUSINESS = read_words("""auto autos kfz fahrzeug pkw lkw motorrad moped roller anhaenger wohnwagen boot hund
    hunde hundesteuer katze pferd gewerbe firma betrieb wohnsitz wohnung zweitwohnsitz haus kind kinder tochter sohn
    kita kindergarten krippe hort schule schueler kurs kurse vhs volkshochschule seminar verein tonne biotonne
    muelltonne muellabfuhr restmuell muell sperrmuell muelltonnen tonnen abfall strom gas wasser zaehler
    einwohnermeldeamt meldeamt buergeramt
    buergerbuero standesamt zulassungsstelle gez rundfunk rundfunkbeitrag termin steuer grundsteuer versicherung
    mietvertrag vertrag arbeitsplatz ausbildung fuehrerschein ausweis reisepass veranstaltung umzug ehe verstorben
    verstorbenen mutter vater buecherei bibliothek computer drucker rechner fernseher bus ticket fahrkarte
    abfallkalender wahl briefwahl kennzeichen gewerbeanmeldung mofa trecker traktor oldtimer kleingarten pachtvertrag
    grab baulast grundbuch vereinsregister handelsregister gewerberegister wasserrecht flensburg fuehrungszeugnis
    instagram insta facebook tiktok snapchat google ebay amazon paypal netflix spotify youtube
    kitaplatz hortplatz ganztag mittagessen musikschule schwimmkurs handyvertrag stromvertrag internetvertrag festnetz
    zeitungsabo fitnessstudio wohngeld buergergeld kindergeld pflegegeld papiertonne""")
# "Hallo Papa, das ist meine neue Nummer, die alte kannst du löschen" is a fraud attempt.
FAMILY = read_words("papa papi mama mami oma opa schatz")
# Words that make a "Stop" a sign or a line, not a request.
STOP_SIGNS = read_words("""schild schilder stelle strasse linie licht and go motion uhr taste knopf bus boxen tank
    non one letzter letzten naechster naechsten""")

_ALL_AGAIN = read_words("wieder doch lieber saemtliche nochmal")
_AROUND_ALL = _ALL_AGAIN | read_words("""vier ich wir will moechte wollen moechten haben bekommen kriegen erhalten gern
    gerne jetzt nun ach zu anmachen anschalten einschalten koennt koennen ihr stellt sie mir mich uns haette haetten
    nehme nehm gebt schickt schicken schick senden einfach auf um nachrichten meldungen infos""")
_WHATEVER = read_words("vier was es gibt")
_AROUND_ALL_AGAIN = _AROUND_ALL | read_words("was etwas einstellen ein")
ALL = read_words("alle alles allen saemtliche saemtlichen all hepsi wszystkie все")
_PLEASE = read_words("bitte bite bidde please pls")
_GREETINGS = read_words("""gute guten liebe lieber liebes schoene schoenen beste besten herzliche herzlichen nette
    freundliche freundlichen hallo halo hello hi hey moin servus abend tag morgen mahlzeit team""")
LINK = read_words("""haette und oder sowie thema themen nummer punkt gemeinde gemeinden ort orte stadt samtgemeinde
    and sie mir fuer im bereich rubrik wahl waehle auswahl informiert werden ueber nachrichten meldungen infos
    informationen wissen erfahren mitbekommen geschickt zum zur bitte interessieren interessiert lesen interesse
    wichtige wichtigste wichtigstes""")
LIVING = read_words(
    "wohne wohnen lebe leben komme ist aus umgezogen gezogen ziehe nach hier gemeinde wohnort wohnhaft buerger"
)
TOPICS = read_words("""themenuebersicht themenaenderung kategorien kategorie themenauswahl themen thema topics topic
    auswahl einstellungen einstellung menue rubriken konular tematy теми темы المواضيع themenwahl themenliste
    interessen""")
PLACE_WORDS = read_words("wohnort gemeinde gemeinden ort orte kommune kommunen dorf doerfer")
HEARING = read_words("""moechte will wuerde haette bitte gern gerne schicken schickt senden bekommen erhalten hoeren
    lesen wissen interessiert haben""")
AROUND_LIST = FILLER_WORDS | read_words("""aendern anpassen bearbeiten zeigen zeig waehlen auswaehlen welche gibt was
    anzeigen abwaehlen sehen nur menu andere anderes meiner meinem unserer einzelne eigene eigenen wie wo koennen
    koennte man habt bietet uebersicht verwalten wechseln einstellen kann abonniert change""")


def is_greeting_to_all(words: Set[str]) -> bool:
    """Return whether "alle" belongs to a greeting: "Alles Gute", "Guten Abend allen", but not "Alle bitte"."""
    return words <= ALL | POLITE and bool(words & _GREETINGS) and not words & _PLEASE


def is_about_all_topics(words: Set[str]) -> bool:
    """Return whether words around "all" are about topics: "Ich hätte gern alle Themen", "doch lieber alles"."""
    if words <= ALL | TOPICS | _WHATEVER:
        return True
    again = words & _ALL_AGAIN and words & (TOPICS | {"lieber"}) and words <= ALL | TOPICS | _AROUND_ALL_AGAIN
    return bool(again or (words & TOPICS and words <= ALL | TOPICS | _AROUND_ALL))
