#!/usr/bin/env python3
"""Checks a Consentry bundle with nothing but Python's standard library.

    python3 check_bundle.py BUNDLE.tar KEY [CHECKPOINT] [--witness WITNESS_KEY]...

KEY is the log's public key, `<origin>+<id>+<base64>`, from a source you trust. CHECKPOINT is an older checkpoint you kept.
WITNESS_KEY is the Ed25519 key of a witness you believe.
Written from docs/bundle.md and docs/ledger.md, apart from the product: it shares no code with `consentry verify` and is short
enough to be read before it is believed. Exit code 0: valid, 1: invalid, 2: not a bundle it can read.

Checked: the container's form, every hash in the manifest, the checkpoint's signature, each entry's form, place in the log, opening,
chain and engine, completeness, that nothing asked for is kept closed, wordings and policies by hash, growth from CHECKPOINT; of anchors,
that their checkpoints are of this log, and cosignatures by a WITNESS_KEY. Not checked: that tables (rows/) and page say what the entries
say; their hashes only. Read the entries, not the page. Time stamps (RFC 3161) need X.509, which the standard library has not: unpack the bundle and let OpenSSL check each,
    openssl ts -verify -token_in -in anchors/N.tst -data anchors/N.checkpoint -CAfile ROOTS.pem
"""
import base64, binascii, datetime, hashlib, json, re, sys


class Invalid(Exception):
    """Something is not as it should be."""


class Unreadable(Exception):
    """Nothing this program can check."""


def need(holds, why):
    if not holds:
        raise Invalid(why)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- Ed25519 (RFC 8032, section 5.1): verification only, nothing secret is touched -------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (1 << 255) - 1, y >> 255)
    y &= (1 << 255) - 1
    return None if x is None else (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = point(BASE_Y.to_bytes(32, "little"))


def ed25519(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- Merkle trees (RFC 6962, section 2.1; proofs as in RFC 9162, section 2.1.3 and 2.1.4) -------------------------------------------
def leaf_hash(data):
    return sha(b"\0", data)


def node(left, right):
    return sha(b"\1", left, right)


def included(index, size, leaf, path, root):
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def extends(old_size, size, old_root, root, path):
    if old_size == 0:
        return not path and old_root == hashlib.sha256().digest()
    if old_size == size:
        return not path and old_root == root
    if not 0 < old_size < size or not path:
        return False
    if old_size & (old_size - 1) == 0:
        path = [old_root] + path
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ---------------------------------------------------------------
def b64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("base64 expected, found %r" % text[:40])
    need(base64.b64encode(data).decode() == text, "base64 is not written the one way")
    return data


def verifier_key(key, algorithm, what):
    """Name, id and bytes of a public key; one that is none says nothing about a bundle."""
    try:
        name, key_id, encoded = key.strip().split("+", 2)
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise Unreadable("%s is no key: `<name>+<id>+<base64>` is expected" % what)
    if data[:1] != algorithm or len(data) != 33 or sha(name.encode(), b"\n", data)[:4].hex() != key_id:
        raise Unreadable("%s is no Ed25519 key of that kind, or its id does not fit its bytes" % what)
    return name, key_id, data


def checkpoint(note, key):
    """Origin, size and root of a checkpoint that `key` signed."""
    name, key_id, data = verifier_key(key, b"\1", "KEY")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    need(len(lines) == 4 and lines[3] == "" and lines[0] == name, "the checkpoint is not of the log the key signs for")
    need(re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]), "the size is no number")
    need(signatures.endswith("\n"), "the checkpoint is cut short")
    good = False
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("— ([^ +]+) (.+)", line)
        need(match, "a signature line has another form")
        signature = b64(match[2])
        need(len(signature) > 4, "a signature is too short")
        if match[1] == name and signature[:4].hex() == key_id:
            need(ed25519(data[1:], text.encode(), signature[4:]), "the signature is wrong: the checkpoint was changed or forged")
            good = True
    need(good, "the key did not sign this checkpoint")
    root = b64(lines[2])
    need(len(root) == 32, "the root is not 32 bytes long")
    return name, int(lines[1]), root


def stated(note):
    """Origin, size and root of a checkpoint, whoever signed it, its text, and its signatures as (name, id, bytes)."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    need(len(lines) == 4 and lines[3] == "" and signatures.endswith("\n"), "a checkpoint has another form")
    need(re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) and len(b64(lines[2])) == 32, "a checkpoint has another form")
    signed = []
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("— ([^ +]+) (.+)", line)
        need(match and len(b64(match[2])) > 4, "a signature line has another form")
        data = b64(match[2])
        signed.append((match[1], data[:4], data[4:]))
    return lines[0], int(lines[1]), b64(lines[2]), text, signed


def cosigned(note, key):
    """Seconds since 1970 at which the witness with `key` cosigned (C2SP tlog-cosignature, Ed25519); None: it did not."""
    name, key_id, data = verifier_key(key, b"\4", "WITNESS_KEY")
    newest = None
    *_, text, signed = stated(note)
    for signer, signer_id, blob in signed:
        if signer == name and signer_id.hex() == key_id:
            seconds = int.from_bytes(blob[:8], "big")
            message = b"cosignature/v1\ntime %d\n" % seconds + text.encode()
            need(seconds > 0 and ed25519(data[1:], message, blob[8:]), "the cosignature by %s is wrong" % name)
            newest = max(newest or 0, seconds)
    return newest


# --- The container ----------------------------------------------------------------------------------------------------------------
BLOCK = 512


def header(name, size):
    """The one header a part may have (POSIX ustar)."""
    block = bytearray(BLOCK)

    def put(at, data):
        block[at : at + len(data)] = data

    put(0, name.encode())
    for at, value, digits in ((100, 0o644, 7), (108, 0, 7), (116, 0, 7), (124, size, 11), (136, 0, 11)):
        put(at, b"%0*o\0" % (digits, value))
    put(148, b" " * 8)
    put(156, b"0")
    put(257, b"ustar\x0000")
    put(148, b"%07o\0" % sum(block))
    return bytes(block)


def parts(stream):
    """Name and content of each part; every other byte is fixed."""
    first = True
    while True:
        block = stream.read(BLOCK)
        if len(block) == BLOCK and not any(block):
            rest = stream.read()
            need(rest == bytes(BLOCK), "the end is not two blocks of zeros")
            return
        name = block[:100].split(b"\0")[0].decode("utf-8", "replace")
        size = re.fullmatch(rb"([0-7]{11})\0", block[124:136])
        if not size:
            raise (Unreadable if first else Invalid)("no part starts here")
        size = int(size[1], 8)
        if header(name, size) != block:
            raise (Unreadable if first else Invalid)("the header of %r has another form" % name)
        content = stream.read(size)
        padding = stream.read(-size % BLOCK)
        need(len(content) == size and len(padding) == -size % BLOCK, "%s is cut short" % name)
        need(not any(padding), "padding after %s is not zero" % name)
        first = False
        yield name, content


def strict(name, content, compact=False):
    """JSON written the one way: keys in the order given, no other spaces, nothing twice."""

    def once(pairs):
        need(len({k for k, _ in pairs}) == len(pairs), "%s names a key twice" % name)
        need(not any(isinstance(value, bool) for _, value in pairs), "%s holds true or false where a number belongs" % name)
        return dict(pairs)

    def whole(text):
        raise Invalid("%s holds %s where a whole number belongs" % (name, text))

    try:
        text = content.decode()
        value = json.loads(text, object_pairs_hook=once, parse_float=whole, parse_constant=whole)
    except (UnicodeDecodeError, ValueError):
        raise Invalid("%s is no JSON" % name)
    layout = {"separators": (",", ":")} if compact else {"indent": 2}
    need(json.dumps(value, ensure_ascii=False, **layout) + "\n" == text, "%s is not written the one way" % name)
    need(isinstance(value, dict), "%s is no object" % name)
    return value


def micros(text):
    """Microseconds since 1970 of an instant as bundles write it."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z", text)
    need(match, "%r is no instant" % text[:40])
    seconds = datetime.datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S") - datetime.datetime(1970, 1, 1)
    return seconds // datetime.timedelta(microseconds=1) + int((match[2] or "").ljust(6, "0"))


# --- Leaves: canonical protobuf, consentry.ledger.v1.Leaf ----------------------------------------------------------------------------
LEAF = {1: "n", 2: "s", 3: "b", 4: "n", 5: "b", 6: "n", 7: "n", 8: "b", 9: "b", 10: "b"}
PUBLIC = {1: "b", 2: "s", 3: "s", 4: "s", 5: "s*", 6: "b", 7: "n", 8: "n", 9: "b", 10: "b"}
KINDS = (
    "KIND_UNSPECIFIED ENGINE REGISTRY SUBJECT CONSENT OPT_OUT OPT_OUT_LIFTED DECISION INTENT REDECISION OUTCOME RECEIPT INBOUND CLICK CART LINK "
    "COUPON_POOL COUPON PREFERENCES EXTERNAL_SEND CANCELLED HEARD REVIEW NUMBER_CHECK LEGAL_HOLD ERASURE HEADS EPOCH RAW RESTRICTION "
    "FORGOTTEN SUPPRESSION DEVICE IMPORT ACCESS"
).split()


def varint(data, at):
    value = shift = 0
    while True:
        need(at < len(data) and shift < 64, "a number is cut short")
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if not byte & 128:
            need((byte or shift == 7) and value < 1 << 64, "a number is not written the one way")
            return value, at


def message(data, fields, empty_allowed=()):
    """Fields in ascending order, defaults left out, nothing unknown: so that the bytes can mean one thing only."""
    out, at, last = {}, 0, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        kind = fields.get(number)
        need(kind and wire == (0 if kind == "n" else 2), "an unknown field")
        need(number > last or number == last and kind == "s*", "fields are out of order or written twice")
        last = number
        value, at = varint(data, at)
        if kind != "n":
            need(at + value <= len(data), "a field is cut short")
            value, at = data[at : at + value], at + value
            if kind[0] == "s":
                try:
                    value = value.decode()
                except UnicodeDecodeError:
                    raise Invalid("a text is not UTF-8")
        need(value or kind == "s*" or number in empty_allowed, "a default is written out")
        if kind == "s*":
            out.setdefault(number, []).append(value)
        else:
            out[number] = value
    return out


def leaf(data):
    need(len(data) <= 3072, "the leaf is too long")
    f = message(data, LEAF, empty_allowed=(10,))
    need(f.get(1) == 1, "the leaf has another format")
    number, previous = f.get(4, 0), f.get(5, b"")
    need(number > 0 and len(f.get(3, b"")) == 16 and len(f.get(8, b"")) == len(f.get(9, b"")) == 32 and 10 in f, "a field has a wrong length")
    need(len(previous) == (0 if number == 1 else 32), "previous does not fit the number")
    need(0 < f.get(7, 0) < len(KINDS), "an unknown kind")
    instant = f.get(6, 0)
    return {
        "brand": f.get(2, ""), "subject": f[3].hex(), "number": number, "previous": previous, "kind": KINDS[f[7]], "engine": f[8],
        "instant": instant - (1 << 64) if instant >> 63 else instant, "seal": f[9], "public": message(f[10], PUBLIC),
    }  # fmt: skip


# --- The entries --------------------------------------------------------------------------------------------------------------------
SELLER = "00" * 16


def head_leaf(h):
    need(re.fullmatch("[0-9a-f]{32}", h["subject"]) and 0 <= h["count"] < 1 << 64, "a head has another form")
    return leaf_hash(b"consentry/heads/v1" + bytes.fromhex(h["subject"]) + h["count"].to_bytes(8, "big") + b64(h["last"]))


class Entries:
    def __init__(self, about, size, root):
        self.size, self.root, self.people = size, root, about["asked"]["people"]
        self.whole = bool(self.people) or about["asked"]["from"] is None
        self.brand, *period = (about["asked"][key] for key in ("brand", "from", "to"))
        self.begin, self.until = (None if at is None else micros(at) for at in period)
        self.erased, self.forgotten, self.worded, self.stopped_at, self.sealed_after_stop = {}, set(), set(), [], 0
        self.heads = self.recorded = None
        self.last, self.instant = -1, None
        self.chains, self.ends, self.judged, self.engines, self.policies = {}, {}, {}, set(), set()
        self.stops, self.stopped, self.after_stop = 0, set(), 0
        self.counts = {"total": 0, "opened": 0, "withheld": 0, "erased": 0}
        self.kinds, self.first, self.highest = {}, None, None

    def claim(self, heads):
        named = [h["subject"] for h in heads["people"] + heads["absent"]]
        need(len(set(named)) == len(named) and set(named) == set(self.people), "heads.json is not about the people asked for")
        self.heads = heads

    def line(self, content):
        e = strict("a line of entries/", content, compact=True)
        keys = ["index", "leaf", "opening" if "opening" in e else "closed", "proof"]
        need(list(e) == keys and isinstance(e["index"], int), "an entry has other keys")
        index, data = e["index"], b64(e["leaf"])
        try:
            self.entry(index, data, e)
        except Invalid as why:
            raise Invalid("entry %d: %s" % (index, why))

    def entry(self, index, data, e):
        need(index > self.last, "it does not come after the entry before it")
        self.last = index
        hashed = leaf_hash(data)
        need(included(index, self.size, hashed, [b64(h) for h in e["proof"]], self.root), "it is not in the signed log")
        lf = leaf(data)
        need(self.instant is None or lf["instant"] >= self.instant, "it is earlier than the entry before it")
        self.instant = lf["instant"]
        self.chain(index, lf, hashed)
        who = "asked" if lf["subject"] in self.people else lf["subject"]
        if lf["subject"] != SELLER and lf["kind"] == "OPT_OUT":
            self.stops += 1
            self.stopped.add(who)
            self.stopped_at.append(lf["instant"])
        if lf["kind"] == "INTENT" and who in self.stopped:
            self.after_stop += 1
            self.sealed_after_stop += "closed" in e
        if lf["kind"] == "FORGOTTEN":
            self.forgotten.add(lf["subject"])
        self.judged.setdefault(lf["engine"], index)
        if self.heads and index < self.heads["covered_size"]:
            self.ends[lf["subject"]] = (lf["number"], hashed)
        if self.heads and index == self.heads["entry"]:
            p = lf["public"]
            need(lf["kind"] == "HEADS" and lf["subject"] == SELLER and len(p.get(9, b"")) == 32, "it is no HEADS entry")
            need(p.get(7, 0) == self.heads["covered_size"] <= index, "it covers other entries than heads.json says")
            self.recorded = (p.get(8, 0), p[9])
        if "opening" in e:
            self.open(lf, e["opening"])
            self.counts["opened"] += 1
        else:
            need(e["closed"] in ("withheld", "erased"), "it is neither open nor closed")
            need(e["closed"] == "erased" or not self.asked(lf), "it is withheld as outside what was asked, and lies inside")
            if e["closed"] == "erased":
                self.erased[lf["subject"]] = self.erased.get(lf["subject"], 0) + 1
            self.counts[e["closed"]] += 1
        self.counts["total"] += 1
        self.kinds[lf["kind"]] = self.kinds.get(lf["kind"], 0) + 1
        if lf["subject"] != SELLER or self.first is None:
            self.first = index if self.first is None else min(self.first, index)
        self.highest = index

    def asked(self, lf):
        """Whether what is inside was asked for: by brand and time; who it is, what judged and recorded roots always are."""
        of_brand = self.brand is None or lf["brand"] in ("", self.brand)
        in_time = (self.begin is None or lf["instant"] >= self.begin) and (self.until is None or lf["instant"] < self.until)
        return lf["kind"] != "RAW" and of_brand and (in_time or lf["kind"] in ("SUBJECT", "ENGINE", "HEADS"))

    def chain(self, index, lf, hashed):
        subject, number = lf["subject"], lf["number"]
        seller, last = subject == SELLER, self.chains.get(subject)
        self.chains[subject] = (number, hashed)
        need(seller or not self.people or subject in self.people, "it is of somebody who was not asked for")
        if last is None:
            need(seller or not self.whole or number == 1, "the chain does not begin with its first entry")
        elif not (seller and number > last[0] + 1):
            need(number == last[0] + 1, "entries of the chain were left out or moved")
            need(lf["previous"] == last[1], "it does not name the entry before it in the chain")

    def open(self, lf, opening):
        need(list(opening) == ["r", "plaintext"], "the opening has other keys")
        r, plaintext = b64(opening["r"]), b64(opening["plaintext"])
        need(len(r) == 32 and sha(b"consentry/seal/v1", r, plaintext) == lf["seal"], "the opening is not what the seal commits to")
        try:
            body = json.loads(plaintext)
        except ValueError:
            raise Invalid("what is sealed is no JSON")
        kind = re.sub("(?<=[a-z])(?=[A-Z])", "_", next(iter(body))).upper() if isinstance(body, dict) and len(body) == 1 else None
        need(kind == lf["kind"], "what is sealed is of another kind than the leaf says")
        if kind == "ENGINE":
            described = plaintext[len(b'{"Engine":') : -1]
            need(sha(described) == lf["engine"], "the engine described is not the one that wrote the entry")
            self.engines.add(lf["engine"])
            self.policies.add(body["Engine"]["policy_sha256"])
        evidence = body["Consent"].get("evidence", {}) if kind == "CONSENT" else {}
        if evidence.get("disclosure_sha256") and not evidence.get("disclosure_text"):
            self.worded.add(bytes(evidence["disclosure_sha256"]).hex())

    def end(self):
        for engine, index in self.judged.items():
            need(engine in self.engines, "entry %d: nothing describes its engine" % index)
        absent = {h["subject"] for h in self.heads["absent"]} if self.heads else set()
        for person in self.people:
            need((person in self.chains) != (person in absent), "%s was asked for: nothing of it is there, or it is said to be absent" % person)
        if not self.heads:
            return
        need(self.recorded, "the HEADS entry is missing")
        subjects, root = self.recorded
        for h in self.heads["people"]:
            self.placed(h, subjects, root)
            need(self.ends.get(h["subject"]) == (h["count"], b64(h["last"])), "entries of %s were left out" % h["subject"])
        for h in self.heads["absent"]:
            before, after = h["before"], h["after"]
            for side in (before, after):
                if side:
                    self.placed(side, subjects, root)
            need(not before or before["subject"] < h["subject"], "a neighbour is on the wrong side")
            need(not after or h["subject"] < after["subject"], "a neighbour is on the wrong side")
            following = before["position"] + 1 if before else 0
            need((after["position"] if after else subjects) == following, "the neighbours of %s do not touch" % h["subject"])
            need(subjects or root == hashlib.sha256().digest(), "an empty tree has another root")

    def placed(self, h, subjects, root):
        path = [b64(p) for p in h["path"]]
        need(included(h["position"], subjects, head_leaf(h), path, root), "the head of %s is not under the recorded root" % h["subject"])


# --- Anchors ------------------------------------------------------------------------------------------------------------------------
class Anchors:
    """anchors.json and its files: each checkpoint must be one that this log extends."""

    FILES = {"witness": ["checkpoint"], "timestamp": ["checkpoint", "tst"], "file": ["checkpoint", "txt"], "command": ["checkpoint", "txt"]}

    def __init__(self, content):
        a = strict("anchors.json", content)
        need(list(a) == ["as_of", "said", "receipts"], "anchors.json has other keys")
        need(a["said"] == self.sentence(a["as_of"], a["receipts"]), "the sentence in anchors.json is not what its receipts come to")
        self.receipts, self.files, self.kept = a["receipts"], [], {}
        for n, one in enumerate(self.receipts):
            need(list(one) == ["anchor", "kind", "size", "recorded_at", "consistency"] and one["kind"] in self.FILES, "a receipt has another form")
            self.files += ["anchors/%05d.%s" % (n, ending) for ending in self.FILES[one["kind"]]]

    def sentence(self, as_of, receipts):
        outside = [one for one in receipts if one["kind"] in ("witness", "timestamp")]
        if not outside:
            none = "No anchor has taken a checkpoint of this log: when anything in it was recorded rests on the operator's word."
            own = "Only files or commands of the operator's own have taken checkpoints of this log, no witness and no time-stamping authority: "
            own += "when anything in it was recorded rests on the operator's word, and on that of whoever keeps them."
            return own if receipts else none
        last = max(outside, key=lambda one: (micros(one["recorded_at"]), one["size"]))
        told = "A witness or a time-stamping authority last took a checkpoint on %s" % last["recorded_at"]
        if micros(as_of) - micros(last["recorded_at"]) > 24 * 3600 * 10**6:
            told += ", more than a day before this bundle was made: when entries from number %d on were recorded rests on the operator's word."
        else:
            told += "; it covers the first %d entries of the log."
        return told % last["size"]

    def wants(self, name):
        return len(self.kept) < len(self.files) and self.files[len(self.kept)] == name

    def whole(self):
        return len(self.kept) == len(self.files)

    def check(self, origin, size, root, key, witnesses):
        """What the witnesses prove, and how many time stamps are left to OpenSSL."""
        said, stamps = [], 0
        name, key_id, encoded = key.strip().split("+", 2)
        for n, one in enumerate(self.receipts):
            note = self.kept["anchors/%05d.checkpoint" % n].decode()
            found = stated(note)
            need(found[:2] == (origin, one["size"]), "receipt %d is not of this log, or of another size than anchors.json says" % n)
            for signer, signer_id, blob in found[4]:
                if signer == name and signer_id.hex() == key_id:
                    need(ed25519(b64(encoded)[1:], found[3].encode(), blob), "receipt %d: the log's signature is wrong" % n)
            proof = [b64(h) for h in one["consistency"]]
            need(found[1] <= size and extends(found[1], size, found[2], root, proof), "this log does not extend the checkpoint of receipt %d" % n)
            stamps += one["kind"] == "timestamp"
            times = [t for t in (cosigned(note, w) for w in witnesses) if t] if one["kind"] == "witness" else []
            if times:
                at = datetime.datetime.fromtimestamp(min(times), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
                said.append((found[1], "the first %d entries of the log were recorded no later than %s, by the word of a witness" % (found[1], at)))
        out = [text for _, text in sorted(said)]
        if not said:
            out.append("when entries were recorded rests on the operator's word: no cosignature by a witness you named is in it")
        if stamps:
            out.append("%d time stamps were NOT checked here; `openssl ts -verify` does (see the head of this file)" % stamps)
        return out


# --- The whole ----------------------------------------------------------------------------------------------------------------------
NEWEST = 5
ABOUT = ["format", "release", "rows_format", "origin", "tree_size", "asked"]


def check(stream, key, kept=None, witnesses=()):
    reading = parts(stream)
    seen, stage = [], 0

    def begin(name):
        found = next(reading, (None, b""))
        if found[0] != name:
            raise Unreadable("it does not begin as a bundle does: %s is missing" % name)
        note_part(found[0], found[1])
        return found[1]

    def note_part(name, content):
        seen.append({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})

    about = strict("bundle.json", begin("bundle.json"))
    if about.get("format") not in range(1, NEWEST + 1):
        raise Unreadable("format %r" % about.get("format"))
    need(list(about) == ABOUT and list(about["asked"]) == ["brand", "people", "from", "to", "since"], "bundle.json has other keys")
    note, given = begin("checkpoint"), begin("log.vkey")
    origin, size, root = checkpoint(note.decode("utf-8", "replace"), key)
    lines = given.decode("utf-8", "replace").split("\n")
    need(lines[-1] == "" and key.strip() in lines[:-1] and (about["format"] >= 4 or len(lines) == 2), "log.vkey is not the key you gave")
    anchors = None
    need((about["origin"], about["tree_size"]) == (origin, size), "bundle.json speaks of another log")
    entries, grown, number, policies, wordings = Entries(about, size, root), None, 0, [], set()
    for name, content in reading:
        folder = name.split("/")[0]
        digest = hashlib.sha256(content).hexdigest()
        if name == "consistency.json" and len(seen) == 3:
            grown = strict(name, content)
        elif name == "heads.json" and about["format"] >= 2 and (len(seen) == 3 or len(seen) == 4 and grown):
            need(entries.people, "heads.json in a bundle about nobody")
            entries.claim(strict(name, content))
        elif name == "anchors.json" and about["format"] >= 4 and not anchors and all(p["name"] in ("consistency.json", "heads.json") for p in seen[3:]):
            anchors = Anchors(content)
        elif anchors and anchors.wants(name):
            anchors.kept[name] = content
        elif about["format"] >= 4 and not (anchors and anchors.whole()):
            raise Invalid("%s does not belong here" % name)
        elif folder == "disclosures" and stage == 0 and about["format"] >= 5 and name.endswith(".snapshot"):
            need(name == "disclosures/%s.snapshot" % digest, "%s is not the snapshot its name stands for" % name)
        elif folder == "disclosures" and stage == 0:
            need(name == "disclosures/%s.txt" % digest, "%s is not the wording its name stands for" % name)
            content.decode()
            wordings.add(digest)
        elif folder == "policy" and stage <= 1:
            hashed = sha(b"consentry/policy/v1", content).hex()
            need(name == "policy/%s.json" % hashed, "%s is not the policy its name stands for" % name)
            policies.append(hashed)
            stage = 1
        elif name == "entries/%05d.jsonl" % number and stage in (0, 1, 3):
            need(content.endswith(b"\n"), "%s is cut short" % name)
            for line in content[:-1].split(b"\n"):
                entries.line(line + b"\n")
            stage = 2
        elif name == "rows/%05d.csv" % number and stage == 2:
            number, stage = number + 1, 3
        elif name == "statement.json" and about["format"] > 2 and stage in (0, 1, 3):
            said_after_stop(strict(name, content), entries)
            stage = 4
        elif name == "index.html" and stage in ((4,) if about["format"] > 2 else (0, 1, 3)):
            stage = 5
        elif name == "manifest.json" and stage == 5:
            manifest(content, about, entries, seen)
            stage = 6
        else:
            raise Invalid("%s does not belong here" % name)
        note_part(name, content)
    need(stage == 6, "the manifest is missing: the bundle was cut short")
    entries.end()
    need(about["format"] < 3 or set(policies) <= entries.policies, "a policy set is there that no engine shown names")
    said = ["the key of %s signed a log of %d entries" % (origin, size), "%(total)d entries are in it unchanged, %(opened)d of them open" % entries.counts]
    if entries.heads:
        said.append("nothing is missing of the people asked for among the first %d entries" % entries.heads["covered_size"])
    if anchors:
        said += anchors.check(origin, size, root, key, witnesses)
    else:
        said.append("when entries were recorded rests on the operator's word: bundles of this format hold no anchors")
    if kept is not None:
        old_origin, old_size, old_root = checkpoint(kept, key)
        proof = [b64(h) for h in grown["proof"]] if grown else []
        fits = old_size == size or grown and (grown["old_size"], grown["size"]) == (old_size, size)
        if old_size < size and not fits:
            raise Unreadable("no proof from %d entries on is in it" % old_size)
        need(old_size <= size and extends(old_size, size, old_root, root, proof if old_size < size else []), "the log does not extend the checkpoint you kept")
        said.append("the log extends the one of %d entries" % old_size)
    return said, left_open(entries, about, policies, wordings)


def left_open(entries, about, policies, wordings):
    """What cannot be told from it."""
    said = ["that tables (rows/) and index.html say what the entries say: only their hashes were checked"]
    if about["format"] < NEWEST:
        said.append("what newer bundles show besides: it says that it has format %d, the newest is %d" % (about["format"], NEWEST))
    if not entries.people:
        said.append("that everybody is here who belongs: who was left out with all entries is not missed")
    if entries.counts["withheld"]:
        said.append("what is in %d entries outside what it says it was asked for: %s" % (entries.counts["withheld"], json.dumps(about["asked"])))
    unseen = sum(n for who, n in entries.erased.items() if who not in entries.forgotten)
    if unseen:
        said.append("that %d entries called erased were: no entry shown records that their person was forgotten" % unseen)
    for what, missing in (("policy set", entries.policies - set(policies)), ("wording", entries.worded - wordings)):
        said += ["what the %s %s said: it is missing" % (what, one) for one in sorted(missing)]
    if entries.stops and about["format"] > 2:
        said.append("what statement.json says of %d hand-overs after a STOP, and of what was on its way then: only counted" % entries.after_stop)
    return said


# Which STOPs there are and what was handed over after one is counted again here from the leaves alone, which tell less than what is sealed:
# whether a hand-over after a STOP was one of the answers a person may get, `consentry verify` checks.
def said_after_stop(said, entries):
    need((said["stops"], said["people"]) == (entries.stops, len(entries.stopped)), "statement.json speaks of other STOPs than the entries")
    at = [None if said[key] is None else micros(said[key]) for key in ("first_stop", "last_stop", "until")]
    stops = entries.stopped_at or [None]
    need(at == [stops[0], stops[-1], entries.instant], "statement.json tells of other times than the entries")
    need(said["through"] == (entries.last if entries.last >= 0 else None), "statement.json reaches to another entry")
    need(said["unknown"] >= entries.sealed_after_stop, "statement.json calls hand-overs known that are sealed here")
    told = said["violations"] + said["answers"] + said["not_covered"] + said["unknown"]
    need(told == entries.after_stop, "statement.json tells of other hand-overs after a STOP than the entries")


def manifest(content, about, entries, seen):
    m = strict("manifest.json", content)
    need(list(m) == ["format", "entries", "kinds", "first", "last", "parts"] and m["format"] == about["format"], "manifest.json has another form")
    counted = (entries.counts, entries.kinds, entries.first, entries.highest)
    need((m["entries"], m["kinds"], m["first"], m["last"]) == counted, "the counts are not those of the entries")
    need(m["parts"] == seen and all(list(p) == ["name", "bytes", "sha256"] for p in m["parts"]), "parts differ from the manifest")


def main(arguments):
    arguments, witnesses = list(arguments), []
    while "--witness" in arguments[:-1]:
        at = arguments.index("--witness")
        witnesses.append(arguments[at + 1])
        del arguments[at : at + 2]
    if len(arguments) not in (2, 3):
        print(__doc__)
        return 2
    try:
        kept = open(arguments[2], encoding="utf-8").read() if len(arguments) == 3 else None
        with open(arguments[0], "rb") as stream:
            said, not_said = check(stream, arguments[1], kept, witnesses)
    except (Unreadable, OSError) as why:
        print("UNREADABLE: %s" % why)
        return 2
    except Invalid as why:
        print("INVALID: %s" % why)
        return 1
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as why:
        print("INVALID: a part has another form: %r" % why)
        return 1
    print("VALID\n  - " + "\n  - ".join(said))
    print("not checked or not shown\n  - " + "\n  - ".join(not_said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
