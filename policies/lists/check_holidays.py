#!/usr/bin/env python3
"""Compares the holiday calendars of the packs with a published library, in an implementation of its own.

Needs: Python 3.11, pip install holidays==0.109
Usage: check_holidays.py [FIRST_YEAR LAST_YEAR]

Every day the library knows in any region of a country must be closed by the country's calendar; days listed under
LEFT_OUT are not, and say why. Exits with 1 when one is missing. Prints how many days were compared.
"""

import datetime
import pathlib
import re
import sys
import tomllib

import holidays

PACKS = pathlib.Path(__file__).resolve().parent.parent
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
SHIFTS = {"sunday_to_monday": (6, 1), "saturday_to_friday": (5, -1), "saturday_to_monday": (5, 2), "sunday_to_tuesday": (6, 2)}
# Compared as a whole: municipal patron saints and days that follow the moon are left to dated overrides.
NATIONAL_ONLY = {"it", "pt", "fr", "br"}
LEFT_OUT = re.compile(r"Eid|estimated|Municipal|Monday following|Elections")


def easter(year):
    """Meeus, Jones and Butcher."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return datetime.date(year, month, day + 1)


def walk(start, step, wanted):
    while start.weekday() != wanted:
        start += datetime.timedelta(days=step)
    return start


def day(rule, year):
    offset = 0
    found = re.fullmatch(r"(.*?)\s*([+-]\d+)", rule)
    if found and not re.fullmatch(r"\d{4}-\d\d-\d\d", rule):
        rule, offset = found[1], int(found[2])
    words = rule.split()
    if rule == "easter":
        date = easter(year)
    elif len(words) == 1:
        date = datetime.date.fromisoformat(rule)
        if date.year != year:
            return None
    elif len(words) == 2:
        month, number = MONTHS.index(words[0]) + 1, int(words[1])
        if (month, number) == (2, 29) and not (year % 4 == 0 and (year % 100 or year % 400 == 0)):
            return None
        date = datetime.date(year, month, number)
    elif words[1] == "from":
        date = walk(datetime.date(year, MONTHS.index(words[2]) + 1, int(words[3])), 1, DAYS.index(words[0]))
    else:
        nth, weekday, month = words[-3:]
        first = datetime.date(year, MONTHS.index(month) + 1, 1)
        if nth == "last":
            date = walk((first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1), -1, DAYS.index(weekday))
        else:
            date = walk(first, 1, DAYS.index(weekday)) + datetime.timedelta(weeks=int(nth[0]) - 1)
        if words[1] == "after":
            date = walk(date + datetime.timedelta(days=1), 1, DAYS.index(words[0]))
    return date + datetime.timedelta(days=offset)


def calendar(path, years):
    value, closed = tomllib.loads(path.read_text())["value"], {}
    for year in range(years[0] - 1, years[-1] + 2):
        for entry in value["days"]:
            date = day(entry["on"], year)
            if date is None or entry.get("years") == "even" and year % 2:
                continue
            closed[date] = entry["name"]
            for shift in value.get("observed", []):
                weekday, days = SHIFTS[shift]
                if date.weekday() == weekday:
                    closed[date + datetime.timedelta(days=days)] = entry["name"]
    return closed


def main():
    first, last = (int(y) for y in sys.argv[1:3]) if len(sys.argv) > 2 else (2026, 2035)
    years, compared, missing = range(first, last + 1), 0, []
    for path in sorted(PACKS.glob("??/holidays.toml")):
        country = path.parent.name
        if country == "us":
            continue  # states forbid days of their own choosing, not the federal ones
        closed = calendar(path, years)
        parts = [None] if country in NATIONAL_ONLY else [None, *getattr(holidays, country.upper()).subdivisions]
        for part in parts:
            for date, name in holidays.country_holidays(country.upper(), subdiv=part, years=years, language="en_US").items():
                compared += 1
                if date not in closed and date.weekday() != 6 and not LEFT_OUT.search(name):
                    missing.append(f"{country} {date} {date:%a} {name} ({part or 'all'})")
    for line in sorted(set(missing)):
        print("not closed:", line)
    print(f"{compared} days compared, {len(set(missing))} missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
