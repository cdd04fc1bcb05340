"""Phrases for "no more messages" in the twenty most common languages of Germany besides German, the more spoken first.

At the end are those of its northern neighbours.

The selection follows the Federal Statistical Office, Mikrozensus 2021 (Turkish, Russian, Arabic, Polish, English), and
the nationalities of residents for the rest. Sources are given beside each language: `ftl` is the label for
unsubscribing in `locales/<code>/unsubscribe.ftl` of github.com/mozilla/blurts-server, `aws` the required opt-out
keywords in docs.aws.amazon.com/sms-voice/latest/userguide/opt-out-list-keywords.html, `w:` the headword in
en.wiktionary.org from which the phrase is formed. An asterisk leaves the end of a word open.
"""

import re

from services.subscriptions.domain.intents.text import tokenize

_PHRASES = {
    "tr": "abonelikten çık*, listeden çıkar*, bir daha yazma*, artık gönderme*",  # ftl; w:göndermek, w:yazmak
    "ru": "отпишите меня, прекратите присылать, прекратите писать, не пишите больше",  # w:отписаться, w:прекратить
    "ar": "عدم الارسال, لا ترسلوا لي, لا تراسلوني, توقفوا عن الارسال, الغاء الاشتراك",  # w:أرسل, w:إلغاء, w:اشتراك
    "pl": "wypisz mnie, proszę mnie wypisać, nie wysyłaj*, rezygnuję",  # w:wypisać, w:wysyłać, w:rezygnować
    "en": "opt out, optout, unsubscribe me, no more messages, stop texting*",  # aws
    "ro": "nu-mi mai trimite*, nu îmi mai trimite*, nu mai trimite*, nu îmi mai scri*, "
    "dezabon*",  # w:trimite, w:dezabonare
    "uk": "відпишіть мене, припиніть надсилати, не пишіть більше, не надсилайте",  # w:відписатися, w:надсилати
    "it": "non mandatemi*, non mandate più*, non inviatemi*, non scrivetemi*, cancellami*, cancellatemi*, disiscriv*, "
    "cancellare l'iscrizione, annullare l'iscrizione, cancellarmi*",  # w:mandare, w:cancellare, w:disiscrivere
    "fa": "پیام نفرست*, دیگر نفرست*, پیام ندهید, لغو اشتراک, لغو عضویت, نمی خواهم",  # w:فرستادن, w:لغو
    "sq": "mos më dërgo*, mos më shkruani*, çregjistro*, shpajto*",  # ftl; w:dërgoj, w:shkruaj
    "hr bs sr": "ne šaljite*, nemojte slati*, nemojte mi slati*, nemojte mi više*, odjavi me, odjavite me, "
    "ne želim više, не шаљите*, одјавите ме",  # w:slati, w:odjaviti, w:željeti
    "ku": "mesaj neşîn*, êdî neşîn*, ji min re neşîn*, êdî nenivîs*, naxwazim",  # w:şandin, w:nivîsandin, w:xwestin
    "es": "no me envíe*, no me mande*, no me escriba*, darme de baja, dame de baja, denme de baja",  # w:enviar, w:baja
    "fr": "ne m'envoyez*, ne m'écrivez*, ne me contactez*, n'envoyez plus*, arrêtez, arrête, arret, "
    "plus de messages, me désinscrire, désinscrivez-moi, me désabonner",  # aws; ftl
    "el": "μη στέλνετε*, μην στέλνετε*, μη μου στέλνετε*, μην μου στέλνετε*, σταματήστε, κατάργηση εγγραφής, "
    "δεν θέλω άλλα",  # ftl; w:στέλνω, w:σταματώ
    "bg": "не ми пращайте*, не ми изпращайте*, не ми пишете*, отпишете ме, спрете да ми*",  # w:пращам, w:отпиша, w:спра
    "pt": "não me envie*, não me mande*, não me escreva*, parem de enviar*, cancelar a inscrição",  # w:enviar, w:parar
    "hu": "ne küldje*, ne küldjön*, ne írjanak*, leiratkoz*, nem kérek több*",  # ftl; w:küld, w:ír
    "vi": "đừng gửi*, ngừng gửi*, không gửi nữa, hủy đăng ký, huỷ đăng ký",  # ftl; w:gửi, w:đừng
    "zh": "退订*, 退訂*, 取消订阅*, 不要再发*, 不要再發*, 别再发*, 請勿再發*, 请勿再发*, "
    "不要再给我发*, 不要再給我發*, 别再给我发*",  # ftl; w:退訂, w:取消, w:给
    "nl da": "uitschrijven*, afmeld*, geen berichten meer*, ikke flere beskeder*",  # w:uitschrijven, w:afmelde
}
# Chinese is written without spaces.
_FIRST_UNSPACED = 0x4E00


def _build_pattern(phrase: str) -> str:
    words = re.escape(" ".join(tokenize(phrase)))
    if not words.isascii() and ord(words[0]) >= _FIRST_UNSPACED:
        return words
    return rf"(?<!\w){words}" if phrase.endswith("*") else rf"(?<!\w){words}(?!\w)"


STOP = re.compile("|".join(_build_pattern(phrase) for phrases in _PHRASES.values() for phrase in phrases.split(", ")))
