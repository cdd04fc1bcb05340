"""Common sentences in other languages, by their stems; matched against normalized words joined by spaces.

Normalized words have no accents: й is и, ї is і, ş is s.
"""

import re
from collections.abc import Iterable

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import tokenize

_STOP = (
    # English
    r"\b(?:stop|quit|end|cease) (?:\w+ ){0,2}(?:sending|texting|messaging|writing|contacting|messages|texts|this|"
    r"these)",
    r"\b(?:do not|don ?t|dont|never) (?:\w+ ){0,2}(?:send|text|write|message|contact|want|wish|need|like to (?:get|"
    r"receive))",
    r"\b(?:ban|block|kick|unfollow) me\b|\b(?:take|get|remove|delete|sign|opt|count|leave) me (?:off|from|out|alone)\b",
    r"\b(?:want|like|wish|going|need|have|how (?:do|can) i|can i|could i|let me) (?:\w+ )?(?:to )?"
    r"(?:unsubscribe|cancel|opt out|optout|quit|leave|sign off|get out)\b",
    r"\b(?:cancel|end|delete|stop) (?:my|the|this) (?:subscription|abo|newsletter|messages)|\bno more (?:messages|"
    r"texts|"
    r"news|updates|spam)|^(?:please )?no more(?: please)?$|\bnot interested\b|\bno longer (?:\w+ )?(?:want|need|wish|"
    r"interested)|\bunsubscri\w*",
    # Turkish
    r"\b(?:mesaj|bildirim|haber)\w* (?:\w+ ){0,3}(?:istemi\w*|goe?nderme\w*|atma(?:yin|sin)?\b|yazma(?:yin)?\b|"
    r"durdur\w*|"
    r"kes\w*|almak istemi\w*)|\b(?:abone|ue?ye)lig?k?\w* (?:\w+ ){0,2}(?:iptal|cik|sil|sonlandir|bitir)\w*",
    r"\b(?:bana|artik) (?:\w+ ){0,3}(?:istemi\w*|goe?nderme\w*|yazma\w*|atma\w*)|\biptal et\w*|\blisteden (?:cik|"
    r"sil)\w*",
    r"\bistemiyor\w*\b",
    # Arabic
    r"(?:لا|لم اعد) (?:\w+ ){0,2}(?:اريد|ارغب|ترسل\w*|ترسلوا|تبعث\w*|تراسل\w*)",
    r"(?:الغاء|الغ|الغوا|الغي|ايقاف|اوقف\w*|وقف\w*|توقف\w*|انهاء) (?:\w+ ){0,2}(?:اشتراك\w*|الاشتراك|رسايل|الرسايل)",
    r"(?:توقف\w*|كف\w*) عن|(?:احذف|ازل|ازيل)\w* (?:رقمي|اسمي)",
    # Ukrainian and Russian
    r"\b(?:не|нема) (?:\w+ ){0,2}(?:хоч\w*|хотів\w*|хотел\w*|надсила\w*|надішл\w*|пиш\w*|писа\w*|присила\w*|присыла\w*|"
    r"шлі\w*|шли\w*|треба|надо|потріб\w*|нуж\w*|цікав\w*|интерес\w*|отправ\w*|турбу\w*|беспоко\w*)",
    r"\b(?:більше|больше) не\b|\b(?:відпи[сш]|отпи[сш])\w*|\b(?:скасу|отмен|припин|прекрат|зупин|"
    r"останов)\w* (?:\w+ ){0,2}"
    r"(?:підписк|подписк|повідомл|сообщен|розсилк|рассылк)\w*|\b(?:видал|удал|прибер|убер)\w* мене|\bудалите меня",
    # Polish
    r"\bnie (?:\w+ ){0,3}(?:chce|chcialbym|chcialabym|zycze|wysyla\w*|wysla\w*|przysyla\w*|pisz\w*|pisac|potrzebuj\w*|"
    r"interesuj\w*|kontaktuj\w*)|\bwypis\w*|\brezygn\w*|\bzrezygn\w*|\banulu\w*|\bprzesta\w*|\bzatrzym\w*|"
    r"\bodsubskryb\w*|\bodwol\w* (?:zgod\w*|subskrypc\w*)|\bwycofuj\w* zgod\w*",
    # Languages that are rare here: a stop is obeyed in any language.
    r"\bno (?:me |nos )?(?:quiero|interesa\w*|envi\w*|mand\w*|escrib\w*|contact\w*|molest\w*)|\bdar[ms]e de baja\b|"
    r"\bcancel(?:ar?|a) (?:la |mi )?suscripci\w*|\bdej\w* de (?:recibir|enviar|escribir|mandar)|\bnao quero\b|"
    r"\bdesabon\w*|\bdesinscri\w*|\bne (?:plus|m \w+|me \w+|veux) (?:\w+ )?(?:recevoir|envoy\w*|ecri\w*|pas)|"
    r"\bsupprim\w* (?:\w+ )?de la liste|\bannull\w* (?:l )?iscrizione|\brimuov\w* (?:mi )?(?:dalla )?lista|"
    r"\bnon (?:voglio|inviat\w*|scriv\w*|contatt\w*)|\bverwijder m\w+|\bm\w+ nummer verwijderen\b|"
    r"\bgeen (?:berichten|interesse)|\buitschrijven\b|"
    r"\bnu (?:mai |ma )?(?:vreau|trimit\w*|interes\w*|scri\w*)|\bdezabon\w*|\bmos (?:me )?(?:shkruani|dergoni)\b|"
    r"\bв (?:покое|спокоі)\b|\b(?:dajcie|zostawcie|zostaw) (?:mi |mnie )?(?:\w+ )?spokoj\w*|\brahat birak\w*|"
    r"\bdej\w+ en paz|\blascia\w* in pace|\blaissez moi\b|\blasati ma\b|\bna miru\b|"
    r"\bremove (?:my|this) (?:\w+ )?(?:number|email|contact)|\bremove from (?:the )?list",
)
STOP = re.compile("|".join(_STOP))

# Subscribes, but only as the whole message.
START = re.compile(
    r"^(?:(?:yes )?(?:i )?(?:want|would like|d like|wish|like) to (?:subscribe|sign up|register|join|get (?:the |"
    r"your )?"
    r"(?:messages|news|newsletter|updates)(?: from the county)?|receive (?:the |your )?(?:messages|news|updates)"
    r"(?: from the county)?)|(?:sign|subscribe) me (?:up )?(?:too)?|subscribe me|(?:register|add) me|"
    r"(?:abone|kayit|ue?ye) ol(?:mak istiyorum|ayim)?|kaydol(?:mak istiyorum)?|mesaj(?:lari|lar)? almak istiyorum|"
    r"(?:انا )?(?:اريد|ارغب في|اود) (?:الاشتراك|التسجيل|ان اشترك|استلام الرسايل)|"
    r"(?:я )?(?:хочу|хотів би|хотіла б|хотел бы|хотела бы) (?:підписатися|підписатись|подписаться|зареєструватися|"
    r"отримувати повідомлення|получать сообщения)|підпишіть мене|подпишите меня|запишіть мене|"
    r"(?:ja )?(?:chce|chcialbym|chcialabym) (?:sie )?(?:zapisac|zarejestrowac|subskrybowac|otrzymywac wiadomosci|"
    r"dostawac wiadomosci)(?: sie)?|zapisz mnie|prosze mnie zapisac|zapisz sie)$"
)

# May mean a start: the person is asked.
START_LIKE = re.compile(
    r"\b(?:subscri|regist|enrol)\w*|\bsign me\b|\bjoin\b|\b(?:abone|kayit|ue?ye) ol\w*|\bkaydol\w*|\bkatil\w*|"
    r"\bbasla\w*|"
    r"\bاشتراك\w*|\bالاشتراك\b|\bاشترك\w*|\bسجل\w*|\bالتسجيل\b|\bبد[اء]\w*|\b(?:підпи[сш]|подпи[сш]|запи[сш])\w*|"
    r"\bзареєстр\w*|\bприєдн\w*|\bпочат\w*|\bрозпоч\w*|\bначат\w*|\bzapis\w*|\bsubskryb\w*|\bdolacz\w*|\brozpocz\w*|"
    r"\b(?:get|receive) (?:\w+ ){0,2}(?:messages|news|updates)|\balmak isti\w*|\b(?:отримувати|получать) \w+|"
    r"\b(?:otrzymywac|dostawac) \w+"
)

# Other intents, as the whole message.
_OTHERS = (
    (
        Intent.TOPICS,
        r"(?:konu\w*|tema\w*|temat\w*|topics?|which topics.*|what topics.*|المواضيع|مواضيع|temy|які теми.*)",
    ),
    (
        Intent.DATA,
        r"(?:(?:what|which) (?:data|information) (?:do |have )?you (?:have|store|keep|stored)?(?: about me)?|"
        r"(?:show )?my (?:personal )?data|verilerim\w*|بياناتي|(?:моі|мои) (?:дані|данные)|moje dane)",
    ),
    (
        Intent.ERASE,
        r"(?:delete|erase) (?:all )?(?:of )?(?:my|me) ?(?:personal )?(?:data|number|account|everything)?|"
        r"verilerimi sil\w*|(?:احذف|حذف|امسح) (?:بياناتي|معلوماتي)|(?:видал|удал)\w* (?:всі |все )?(?:моі|"
        r"мои) (?:дані|данные)|"
        r"usun(?:cie|ac)? (?:wszystkie )?moje dane",
    ),
    (
        Intent.WHY,
        r"(?:why (?:am i|do i|are you).*|who (?:are you|is this).*|where did you get my number|neden.*|"
        r"sen kimsin|siz kimsiniz|من انت\w*|لماذا.*|(?:хто|кто) (?:ви|вы|це|это).*|(?:чому|почему|звідки|откуда).*|"
        r"(?:dlaczego|kim jestes|skad macie).*)",
    ),
    (
        Intent.HELP,
        r"(?:how does (?:this|it) work|what (?:is this|can i do(?: here)?)|i need help|yardim\w*|nasil calisiyor|"
        r"مساعدة|ساعدني|допомо\w*|помо\w*|pomoc|jak to dziala|i do not understand|i don t understand|anlamiyorum|"
        r"لا افهم|не розумію|не понимаю|nie rozumiem)",
    ),
    (Intent.RESUME, r"(?:continue|resume|devam(?: et)?|продовж\w*|продолж\w*|kontynuuj|wznow)"),
)
OTHERS = tuple((intent, re.compile(rf"^(?:{pattern})$")) for intent, pattern in _OTHERS)

# Phrases for "no more messages" in the twenty most common languages of Germany besides German, the more spoken first.
#
# At the end are those of its northern neighbours.
#
# The selection follows the Federal Statistical Office, Mikrozensus 2021 (Turkish, Russian, Arabic, Polish, English),
# and the nationalities of residents for the rest. Sources are given next to each language: `ftl` is the label for
# unsubscribing in `locales/<code>/unsubscribe.ftl` of github.com/mozilla/blurts-server, `aws` the required opt-out
# keywords in docs.aws.amazon.com/sms-voice/latest/userguide/opt-out-list-keywords.html, `w:` the headword in
# en.wiktionary.org from which the phrase is formed. An asterisk leaves the end of a word open.
_NO_MESSAGES = {
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
    "fa": "پیام نفرست*, دیگر نفرست*, پیام ندهید, لغو اشتراک, لغو عضویت, لغو کن*, نمی خواهم",  # w:فرستادن, w:لغو
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


def _compile_phrases(phrases: Iterable[str]) -> re.Pattern[str]:
    """Compile patterns that begin where a word begins, which is asked once for all of them: that is much faster."""
    spaced, unspaced = [], []
    for phrase in phrases:
        words = re.escape(" ".join(tokenize(phrase)))
        if not words.isascii() and ord(words[0]) >= _FIRST_UNSPACED:
            unspaced.append(words)
        else:
            spaced.append(words if phrase.endswith("*") else rf"{words}(?!\w)")
    return re.compile("|".join((rf"(?<!\w)(?:{'|'.join(spaced)})", *unspaced)))


NO_MESSAGE_PHRASES = tuple(phrase for phrases in _NO_MESSAGES.values() for phrase in phrases.split(", "))
NO_MESSAGES = _compile_phrases(NO_MESSAGE_PHRASES)
