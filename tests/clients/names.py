"""Names that a file system holds and that clients, proxies and servers like to spoil."""

import unicodedata

ODD = {
    "a space": "a b.txt",
    "spaces around": " both ",
    "a number sign": "a#b",
    "a question mark": "what?.txt",
    "a percent sign": "100%.txt",
    "an escape that is a name": "a%20b",
    "an escaped slash that is a name": "a%2Fb",
    "a semicolon": "a;v=1",
    "a plus and an ampersand": "a+b&c=d",
    "quotes": 'it\'s "quoted"',
    "angle brackets and a bar": "<a|b>",
    "brackets and braces": "[a]{b}^`~",
    "a colon and an at sign": "http:a@b",
    "leading dots": "..a",
    "composed": unicodedata.normalize("NFC", "Grüße"),
    "decomposed": unicodedata.normalize("NFD", "Grüße"),
    "right to left": "שלום عالم",
    "an emoji": "👩‍🚀.png",
    "Chinese": "漢字",
    "255 bytes": "n" * 251 + ".txt",
    "255 bytes in 85 letters": "語" * 85,
}
