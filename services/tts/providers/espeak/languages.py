"""The table of languages of espeak-ng 1.52, by language tag."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language, dialect or script of the engine."""

    tag: str
    """Language tag in lower case, such as `de` or `en-us`."""
    identifier: str
    """Name of the voice file, the only name that works for every language."""
    name: str
    """English display name."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The primary language code, then the whole tag if it differs."""
        primary = self.tag.partition("-")[0]
        return (primary,) if primary == self.tag else (primary, self.tag)


# Excludes languages without a dictionary in the wheel (Faroese, Karakalpak), and the test language.
_ROWS = (
    Language("af", "gmw/af", "Afrikaans"),
    Language("am", "sem/am", "Amharic"),
    Language("an", "roa/an", "Aragonese"),
    Language("ar", "sem/ar", "Arabic"),
    Language("as", "inc/as", "Assamese"),
    Language("az", "trk/az", "Azerbaijani"),
    Language("ba", "trk/ba", "Bashkir"),
    Language("be", "zle/be", "Belarusian"),
    Language("bg", "zls/bg", "Bulgarian"),
    Language("bn", "inc/bn", "Bengali"),
    Language("bpy", "inc/bpy", "Bishnupriya Manipuri"),
    Language("bs", "zls/bs", "Bosnian"),
    Language("ca", "roa/ca", "Catalan"),
    Language("ca-ba", "roa/ca-ba", "Catalan (Balearic)"),
    Language("ca-nw", "roa/ca-nw", "Catalan (North-western)"),
    Language("ca-va", "roa/ca-va", "Catalan (Valencian)"),
    Language("chr", "iro/chr", "Cherokee"),
    Language("cmn", "sit/cmn", "Chinese (Mandarin, latin as English)"),
    Language("cmn-latn-pinyin", "sit/cmn-Latn-pinyin", "Chinese (Mandarin, latin as Pinyin)"),
    Language("cs", "zlw/cs", "Czech"),
    Language("cv", "trk/cv", "Chuvash"),
    Language("cy", "cel/cy", "Welsh"),
    Language("da", "gmq/da", "Danish"),
    Language("de", "gmw/de", "German"),
    Language("el", "grk/el", "Greek"),
    Language("en-029", "gmw/en-029", "English (Caribbean)"),
    Language("en-gb", "gmw/en", "English (Great Britain)"),
    Language("en-gb-scotland", "gmw/en-GB-scotland", "English (Scotland)"),
    Language("en-gb-x-gbclan", "gmw/en-GB-x-gbclan", "English (Lancaster)"),
    Language("en-gb-x-gbcwmd", "gmw/en-GB-x-gbcwmd", "English (West Midlands)"),
    Language("en-gb-x-rp", "gmw/en-GB-x-rp", "English (Received Pronunciation)"),
    Language("en-shaw", "gmw/en-Shaw", "English (Shavian alphabet)"),
    Language("en-us", "gmw/en-US", "English (America)"),
    Language("en-us-nyc", "gmw/en-US-nyc", "English (America, New York City)"),
    Language("eo", "art/eo", "Esperanto"),
    Language("es", "roa/es", "Spanish (Spain)"),
    Language("es-419", "roa/es-419", "Spanish (Latin America)"),
    Language("et", "urj/et", "Estonian"),
    Language("eu", "eu", "Basque"),
    Language("fa", "ira/fa", "Persian"),
    Language("fa-latn", "ira/fa-Latn", "Persian (Pinglish)"),
    Language("fi", "urj/fi", "Finnish"),
    Language("fr-be", "roa/fr-BE", "French (Belgium)"),
    Language("fr-ch", "roa/fr-CH", "French (Switzerland)"),
    Language("fr", "roa/fr", "French (France)"),
    Language("ga", "cel/ga", "Gaelic (Irish)"),
    Language("gd", "cel/gd", "Gaelic (Scottish)"),
    Language("gn", "sai/gn", "Guarani"),
    Language("grc", "grk/grc", "Greek (Ancient)"),
    Language("gu", "inc/gu", "Gujarati"),
    Language("hak", "sit/hak", "Hakka Chinese"),
    Language("haw", "map/haw", "Hawaiian"),
    Language("he", "sem/he", "Hebrew"),
    Language("hi", "inc/hi", "Hindi"),
    Language("hr", "zls/hr", "Croatian"),
    Language("ht", "roa/ht", "Haitian Creole"),
    Language("hu", "urj/hu", "Hungarian"),
    Language("hy", "ine/hy", "Armenian (East Armenia)"),
    Language("hyw", "ine/hyw", "Armenian (West Armenia)"),
    Language("ia", "art/ia", "Interlingua"),
    Language("id", "poz/id", "Indonesian"),
    Language("io", "art/io", "Ido"),
    Language("is", "gmq/is", "Icelandic"),
    Language("it", "roa/it", "Italian"),
    Language("ja", "jpx/ja", "Japanese"),
    Language("jbo", "art/jbo", "Lojban"),
    Language("ka", "ccs/ka", "Georgian"),
    Language("kk", "trk/kk", "Kazakh"),
    Language("kl", "esx/kl", "Greenlandic"),
    Language("kn", "dra/kn", "Kannada"),
    Language("ko", "ko", "Korean"),
    Language("kok", "inc/kok", "Konkani"),
    Language("ku", "ira/ku", "Kurdish"),
    Language("ky", "trk/ky", "Kyrgyz"),
    Language("la", "itc/la", "Latin"),
    Language("lb", "gmw/lb", "Luxembourgish"),
    Language("lfn", "art/lfn", "Lingua Franca Nova"),
    Language("lt", "bat/lt", "Lithuanian"),
    Language("ltg", "bat/ltg", "Latgalian"),
    Language("lv", "bat/lv", "Latvian"),
    Language("mi", "poz/mi", "Māori"),
    Language("mk", "zls/mk", "Macedonian"),
    Language("ml", "dra/ml", "Malayalam"),
    Language("mr", "inc/mr", "Marathi"),
    Language("ms", "poz/ms", "Malay"),
    Language("mt", "sem/mt", "Maltese"),
    Language("mto", "miz/mto", "Totontepec Mixe"),
    Language("my", "sit/my", "Myanmar (Burmese)"),
    Language("nb", "gmq/nb", "Norwegian Bokmål"),
    Language("nci", "azc/nci", "Nahuatl (Classical)"),
    Language("ne", "inc/ne", "Nepali"),
    Language("nl", "gmw/nl", "Dutch"),
    Language("nog", "trk/nog", "Nogai"),
    Language("om", "cus/om", "Oromo"),
    Language("or", "inc/or", "Oriya"),
    Language("pa", "inc/pa", "Punjabi"),
    Language("pap", "roa/pap", "Papiamento"),
    Language("piqd", "art/piqd", "Klingon"),
    Language("pl", "zlw/pl", "Polish"),
    Language("pt", "roa/pt", "Portuguese (Portugal)"),
    Language("pt-br", "roa/pt-BR", "Portuguese (Brazil)"),
    Language("py", "art/py", "Pyash"),
    Language("qdb", "art/qdb", "Lang Belta"),
    Language("qu", "qu", "Quechua"),
    Language("quc", "myn/quc", "K'iche'"),
    Language("qya", "art/qya", "Quenya"),
    Language("ro", "roa/ro", "Romanian"),
    Language("ru", "zle/ru", "Russian"),
    Language("ru-cl", "zle/ru-cl", "Russian (Classic)"),
    Language("ru-lv", "zle/ru-LV", "Russian (Latvia)"),
    Language("sd", "inc/sd", "Sindhi"),
    Language("shn", "tai/shn", "Shan (Tai Yai)"),
    Language("si", "inc/si", "Sinhala"),
    Language("sjn", "art/sjn", "Sindarin"),
    Language("sk", "zlw/sk", "Slovak"),
    Language("sl", "zls/sl", "Slovenian"),
    Language("smj", "urj/smj", "Lule Saami"),
    Language("sq", "ine/sq", "Albanian"),
    Language("sr", "zls/sr", "Serbian"),
    Language("sv", "gmq/sv", "Swedish"),
    Language("sw", "bnt/sw", "Swahili"),
    Language("ta", "dra/ta", "Tamil"),
    Language("te", "dra/te", "Telugu"),
    Language("th", "tai/th", "Thai"),
    Language("ti", "sem/ti", "Tigrinya"),
    Language("tk", "trk/tk", "Turkmen"),
    Language("tn", "bnt/tn", "Setswana"),
    Language("tr", "trk/tr", "Turkish"),
    Language("tt", "trk/tt", "Tatar"),
    Language("ug", "trk/ug", "Uyghur"),
    Language("uk", "zle/uk", "Ukrainian"),
    Language("ur", "inc/ur", "Urdu"),
    Language("uz", "trk/uz", "Uzbek"),
    Language("vi", "aav/vi", "Vietnamese (Northern)"),
    Language("vi-vn-x-central", "aav/vi-VN-x-central", "Vietnamese (Central)"),
    Language("vi-vn-x-south", "aav/vi-VN-x-south", "Vietnamese (Southern)"),
    Language("yue", "sit/yue", "Chinese (Cantonese)"),
    Language("yue-latn-jyutping", "sit/yue-Latn-jyutping", "Chinese (Cantonese, latin as Jyutping)"),
)

LANGUAGES: dict[str, Language] = {language.tag: language for language in _ROWS}

# Other tags for the same languages: second names of the engine, and common codes.
_ALIASES = {
    "chr-us-qaaa-x-west": "chr",
    "en": "en-gb",
    "es-mx": "es-419",
    "fr-fr": "fr",
    "hbs": "hr",
    "hy-arevela": "hy",
    "hy-arevmda": "hyw",
    "no": "nb",
    "pt-pt": "pt",
    "zh": "cmn",
    "zh-cmn": "cmn",
    "zh-yue": "yue",
}


def find_language(code: str) -> Language | None:
    """Return the language of a tag in any case, or of the tag without its region; None if unknown."""
    tag = code.casefold().replace("_", "-")
    while tag:
        if language := LANGUAGES.get(_ALIASES.get(tag, tag)):
            return language
        tag = tag.rpartition("-")[0]
    return None
