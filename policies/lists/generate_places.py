#!/usr/bin/env python3
"""Writes area_codes.tsv, country_zones.tsv and zip3.tsv from published packages, and says where they disagree.

Needs: pip install phonenumbers==9.0.43 tzdata==2026.6 zipcodes==3.0.0
Usage: generate_places.py ZIPCODES_JS AREACODES_JSON   (lib/codes.js of npm zipcodes 8.0.0, lib/data.json of npm areacodes 0.2.1)

phonenumbers (Google's data) decides which area codes are in service and where they lie, zipcodes which state and
clocks a ZIP code has; the two npm packages are second witnesses. Zones of an area code are those of its regions
(region_zones.tsv), narrowed in states of several zones by the table ONE_ZONE below, which Google's time zone data checks.
"""

import collections
import datetime
import json
import pathlib
import re
import sys
import zoneinfo

import phonenumbers
import zipcodes
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA
import tzdata

HERE = pathlib.Path(__file__).parent
NAMES = {
    "Alabama": "al", "Alaska": "ak", "Arizona": "az", "Arkansas": "ar", "California": "ca", "Colorado": "co",
    "Connecticut": "ct", "Delaware": "de", "Washington D.C.": "dc", "Florida": "fl", "Georgia": "ga", "Hawaii": "hi",
    "Idaho": "id", "Illinois": "il", "Indiana": "in", "Iowa": "ia", "Kansas": "ks", "Kentucky": "ky", "Louisiana": "la",
    "Maine": "me", "Maryland": "md", "Massachusetts": "ma", "Michigan": "mi", "Minnesota": "mn", "Mississippi": "ms",
    "Missouri": "mo", "Montana": "mt", "Nebraska": "ne", "Nevada": "nv", "New Hampshire": "nh", "New Jersey": "nj",
    "New Mexico": "nm", "New York": "ny", "North Carolina": "nc", "North Dakota": "nd", "Ohio": "oh", "Oklahoma": "ok",
    "Oregon": "or", "Pennsylvania": "pa", "Rhode Island": "ri", "South Carolina": "sc", "South Dakota": "sd",
    "Tennessee": "tn", "Texas": "tx", "Utah": "ut", "Vermont": "vt", "Virginia": "va", "Washington State": "wa",
    "West Virginia": "wv", "Wisconsin": "wi", "Wyoming": "wy",
    "Alberta": "ab", "British Columbia": "bc", "British Colombia": "bc", "Manitoba": "mb", "New Brunswick": "nb",
    "Newfoundland and Labrador": "nl", "Ontario": "on", "Quebec": "qc", "Saskatchewan": "sk",
}
TERRITORIES = {"PR": "us/pr", "VI": "us/vi", "GU": "us/gu", "MP": "us/mp", "AS": "us/as"}
# Area codes of several regions, or that Google names by country only.
SEVERAL = {"867": "ca/nt ca/nu ca/yt", "902": "ca/ns ca/pe", "782": "ca/ns ca/pe"}
# A few exchanges of a code lie across a state line; those exchanges are listed under the code's own state.
OWN_STATE = {"201": "us/nj"}
# In states of several zones, the codes that lie in one of them only.
ONE_ZONE = {
    "America/New_York": "239 305 321 324 352 386 407 561 645 656 689 727 728 754 772 786 813 863 904 941 954 865",
    "America/Chicago": "316 913 402 531 615 629 731 901 931 210 214 254 281 325 346 361 409 430 432 469 512 621 682 "
                       "713 726 737 806 817 830 832 903 936 940 945 956 972 979",
    "America/Phoenix": "480 520 602 623",
    "America/Los_Angeles": "503 971 702 725",
    "America/Denver": "915",
    "America/Indiana/Indianapolis": "260 317 463 765",
    "America/Kentucky/Louisville": "502 859",
    "America/Detroit": "231 248 269 313 517 586 616 679 734 810 947 989",
    "America/Vancouver": "604",
    "America/Toronto": "226 249 289 343 365 382 416 437 519 548 613 647 683 705 742 753 905 942 "
                       "263 354 438 450 468 514 579 819 873",
}
# West Wendover keeps Mountain time by law, but the ZIP data has all of Nevada in Pacific time.
NOT_NARROWED = {"us/nv"}
SUMMER, WINTER = datetime.datetime(2026, 7, 1), datetime.datetime(2026, 12, 15)


def clock(zone):
    """A zone by what its clocks show, so that two names for the same time agree."""
    info = zoneinfo.ZoneInfo(zone)
    return tuple(at.replace(tzinfo=info).utcoffset() for at in (SUMMER, WINTER))


def in_service():
    """Country (as the numbering plan has it) and kind of every area code that can hold a valid number."""
    found = {}
    for code in range(200, 1000):
        for exchange in range(200, 1000):
            number = phonenumbers.parse(f"+1{code}{exchange}1234")
            if phonenumbers.is_valid_number(number):
                country = phonenumbers.region_code_for_number(number)
                geographic = phonenumbers.number_type(number) in (0, 1, 2)
                if geographic or f"{code}" not in found:
                    found[f"{code}"] = (country, geographic)
                if geographic:
                    break
    return found


def named_regions():
    """Regions Google names for an area code, from the code itself and from its exchanges."""
    found = collections.defaultdict(set)
    for prefix, names in GEOCODE_DATA.items():
        name = names.get("en", "")
        if prefix.startswith("1") and len(prefix) >= 4:
            city = re.search(r", ([A-Z]{2})$", name)
            region = city.group(1).lower() if city else NAMES.get(name)
            if region:
                found[prefix[1:4]].add(region)
    return found


def google_zones():
    found = collections.defaultdict(set)
    for prefix, zones in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            found[prefix[1:4]] |= set(zones)
    return found


def region_zones():
    lines = (HERE / "region_zones.tsv").read_text().splitlines()
    return dict((line.split("\t")[0], line.split("\t")[1].split()) for line in lines if line and line[0] != "#")


def area_codes(second_witness):
    regions, zones_of = named_regions(), region_zones()
    one_zone = {code: zone for zone, codes in ONE_ZONE.items() for code in codes.split()}
    google, rows, notes = google_zones(), [], []
    for code, (country, geographic) in sorted(in_service().items()):
        if not geographic:
            rows.append((code, "-", "-"))
            continue
        if country in TERRITORIES:
            places = [TERRITORIES[country]]
        elif country not in ("US", "CA"):
            rows.append((code, country.lower(), "-"))
            continue
        elif code in SEVERAL or code in OWN_STATE:
            places = (SEVERAL.get(code) or OWN_STATE[code]).split()
        else:
            places = sorted(f"{country.lower()}/{region}" for region in regions.get(code, ()))
        if not places:
            notes.append(f"{code}: no region known")
        zones = [one_zone[code]] if code in one_zone else sorted({z for p in places for z in zones_of[p]})
        ours = {clock(z) for z in zones}
        more = sorted(z for z in google.get(code, ()) if clock(z) not in ours)
        if more:
            notes.append(f"{code}: Google also has {' '.join(more)}")
        theirs = {clock(z) for z in google.get(code, ())}
        less = sorted(z for z in zones if clock(z) not in theirs)
        if less and code in google:
            notes.append(f"{code}: Google does not have {' '.join(less)}")
        other = second_witness.get(code, {}).get("stateCode")
        if other and not any(p.endswith("/" + other.lower()) for p in places):
            notes.append(f"{code}: areacodes says {other}")
        rows.append((code, " ".join(places), " ".join(zones)))
    for code in sorted(second_witness):
        if code not in dict((r[0], 1) for r in rows):
            notes.append(f"{code}: areacodes has it, Google does not")
    return rows, notes


def zip3(path):
    """States and zones of each ZIP prefix. A region's zones are narrowed to those its ZIP codes keep, by county."""
    known, rows, notes = region_zones(), [], []
    states, clocks = collections.defaultdict(set), collections.defaultdict(set)
    for row in zipcodes.list_all():
        region = "us/" + row["state"].lower()
        if region in known:
            states[row["zip_code"][:3]].add(region)
            clocks[row["zip_code"][:3], region].add(row["timezone"] if "/" in row["timezone"] else "")
    witness = collections.defaultdict(set)
    for code, place in json.loads(re.search(r"exports\.codes = (\{.*?\});", path.read_text(), re.S).group(1)).items():
        witness[code[:3]].add("us/" + place["state"].lower())
    for prefix in sorted(states | witness.keys()):
        places = states[prefix] | {w for w in witness[prefix] if w in known}
        if places != states[prefix] or witness[prefix] != states[prefix]:
            notes.append(f"{prefix}: zipcodes has {sorted(states[prefix])}, npm zipcodes {sorted(witness[prefix])}")
        zones = set()
        for place in places:
            kept = clocks[prefix, place]
            shown = {clock(zone) for zone in kept if zone}
            narrow = {zone for zone in known[place] if clock(zone) in shown}
            whole = place in NOT_NARROWED or not narrow or "" in kept or shown - {clock(z) for z in known[place]}
            zones |= set(known[place]) if whole else narrow
        if places:
            rows.append((prefix, " ".join(sorted(places)), " ".join(sorted(zones))))
    return rows, notes


def write(name, head, rows):
    text = head + "".join("\t".join(row) + "\n" for row in rows)
    (HERE / name).write_text(text)
    print(f"{name}: {len(rows)} lines")


def main():
    today = datetime.date.today().isoformat()
    by = f"# Generated {today} by generate_places.py; do not edit by hand.\n"
    version = f"phonenumbers {phonenumbers.__version__} (Google libphonenumber, Apache-2.0)"
    rows, notes = area_codes(json.loads(pathlib.Path(sys.argv[2]).read_text()))
    write("area_codes.tsv", "# Area codes of the North American plan in service: code<TAB>regions or country<TAB>zones.\n"
          "# '-' for regions: belongs to no place (toll-free, personal, premium). '-' for zones: those of the country.\n"
          f"# source: {version}; second witness npm areacodes 0.2.1 (older: codes since 2016 are missing there)\n" + by
          + "".join(f"# conflict: {note}\n" for note in notes), rows)
    zone_tab = (pathlib.Path(tzdata.__file__).parent / "zoneinfo" / "zone.tab").read_text()
    countries = collections.defaultdict(list)
    for line in zone_tab.splitlines():
        if line and line[0] != "#":
            country, _, zone = line.split("\t")[:3]
            countries[country.lower()].append(zone)
    write("country_zones.tsv", "# Time zones of a country: ISO code<TAB>zones. The US and Canada are the union of their regions instead.\n"
          f"# source: IANA tz {tzdata.IANA_VERSION}, zone.tab\n" + by,
          [(c, " ".join(z)) for c, z in sorted(countries.items()) if c not in ("us", "ca")])
    rows, zip_notes = zip3(pathlib.Path(sys.argv[1]))
    write("zip3.tsv", "# First three digits of US ZIP codes: prefix<TAB>states<TAB>zones. Military prefixes (AE, AA, AP) name no place.\n"
          "# source: PyPI zipcodes 3.0.0 (MIT; states and zones by county); second witness npm zipcodes 8.0.0\n" + by
          + "".join(f"# conflict: {note}\n" for note in zip_notes), rows)
    print("conflicts:", *notes, *zip_notes, sep="\n  ")


main()
