"""Whether somebody needs 112 or 110 and not us."""

from collections.abc import Sequence

from services.subscriptions.domain.language.spelling import vocabulary

_ALWAYS = vocabulary("""notruf notrufe notfall notfaelle notarzt notfallnummer ueberfall ueberfallen einbrecher
    herzinfarkt schlaganfall bewusstlos bewusstlose krankenwagen rettungswagen lebensgefahr ertrinkt emergency
    ambulance vergewaltigt suizid selbstmord umbringen amoklauf geiselnahme messerstecherei schiesserei
    brandstiftung 112 110 acil imdat اسعاف طوارئ швидка пожежа скорая wypadek pogotowie pozar""")
_URGENT = vocabulary("""feuer brennt brand einbruch unfall verletzt verletzte verletzter verletzten blutet polizei
    feuerwehr rettungsdienst sanitaeter rauch gasgeruch explosion schlaegerei bedroht bedroh angegriffen vermisst
    fire police accident hochwasser ohnmaechtig atmet vergiftet eingeklemmt""")
_HELP = vocabulary("hilfe help helft helfen imdat помогите допоможіть ratunku")
_NOW = _HELP | vocabulary("""schnell sofort dringend rufen ruft holen kommen kommt bitte hier gerade jetzt ich wir
    mein meine bei uns in im am auf der""")
_PLACE = vocabulary("""strasse str weg platz allee wald haus wohnung keller bahnhof see fluss nachbar nachbarin
    nebenan""")
_CALM = vocabulary("""wann darf duerfen erlaubt verboten fest feste uebung tag infos information informationen
    freiwillige freiwilligen verein jugendfeuerwehr stelle stellen bewerben bewerbung ausbildung beruf war gestern
    warum wieso wie wer sperrung gesperrt baustelle umleitung schutz gebuehr kosten oeffnungszeiten telefonnummer
    suche job""")
_LONGEST = 25


def is_emergency(words: Sequence[str], text: str) -> bool:
    """Rather once too often: the answer costs a few cents, and names numbers that everybody should know."""
    said = set(words)
    if said & _ALWAYS:
        return len(words) <= _LONGEST
    if said & _CALM or "?" in text:
        return False
    urgent, calls = said & _URGENT, said & _HELP
    if urgent:
        return len(words) <= SHORT or bool(said & _NOW)
    return bool(calls) and _names_a_place(words)


SHORT = 3


def _names_a_place(words: Sequence[str]) -> bool:
    """ "Hilfe, ich bin in der Bahnhofstraße 5"."""
    streets = any(word.endswith(("strasse", "str", "weg", "platz", "allee")) for word in words)
    return streets or bool(set(words) & _PLACE)
