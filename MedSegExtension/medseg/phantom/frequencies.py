"""How often each branching pattern occurs, with the sources.

Sources
-------
[Chaib 2014] Chaib E, Kanas AF, Galvão FHF, D'Albuquerque LAC. Bile duct confluence: anatomic variations and its
    classification. Surg Radiol Anat 2014; 36: 105–109. Review of 2,032 right and 1,014 left ducts, 1996–2011, in the
    classes of Huang TL et al., Transplant Proc 1996; 28: 1669–1670.
[Choi 2003] Choi JW et al. Anatomic variation in intrahepatic bile ducts: an analysis of intraoperative cholangiograms
    in 300 consecutive donors for living donor liver transplantation. Korean J Radiol 2003; 4: 85–90.
[Sarawagi 2016a] Sarawagi R et al. Common and uncommon anatomical variants of intrahepatic bile ducts in MRCP.
    Pol J Radiol 2016; 81: 250–255 (224 patients).
[Sarawagi 2016b] Sarawagi R et al. Anatomical variations of cystic ducts in MRCP and clinical implications.
    Radiol Res Pract 2016: 3021484 (198 patients).
[Asghar 2024] Asghar A et al. Exploring the variations of the pancreatic ductal system: a systematic review and
    meta-analysis. Anat Cell Biol 2024; 57: 31–44 (64 studies).
"""

from __future__ import annotations

#: Where the right posterior sectoral duct drains, in per cent [Chaib 2014]; their 3.5 % "others" are left out.
RIGHT_PATTERNS: dict[str, float] = {
    "A1 typical": 61.3,
    "A2 trifurcation": 14.5,
    "A3 right posterior into left hepatic duct": 13.3,
    "A4 right posterior into common hepatic duct": 6.1,
    "A5 right posterior into cystic duct": 1.0,
}

#: How the left hepatic duct is made up, in per cent [Chaib 2014: B1, B2, B3]; agrees with [Sarawagi 2016a]:
#: 67.8, 23.2, 3.4.
LEFT_PATTERNS: dict[str, float] = {
    "B2 and B3 form a trunk that B4 joins": 76.2,
    "B3 and B4 form a trunk that B2 joins": 15.0,
    "B2, B3 and B4 meet": 3.7,
}

#: An accessory duct into the common or right hepatic duct [Choi 2003: 16 of 300].
ACCESSORY_DUCT = 0.05

#: Where and how the cystic duct joins, in per cent [Sarawagi 2016b]. Their medial insertions (16 %) include 4 % low
#: ones; what they list as spiral or posterior is counted as lateral here.
CYSTIC_PATTERNS: dict[str, float] = {
    "lateral": 65.5,
    "medial": 12.0,
    "low": 9.0,
    "parallel": 7.5,
    "high": 6.0,
}

#: No union of the dorsal and ventral pancreatic ducts [Asghar 2024: variants in 8 % of 10,514, most of them divisum].
PANCREAS_DIVISUM = 0.07
