#!/usr/bin/env bash
# Makes the generated lists again from the published packages they come from, and compares. Only the date may differ.
# The weights of replies are learned again from the corpus, and must be the same to the last byte.
# Needs cargo, Python 3 with requirements.txt (named by $PYTHON) and npm. Leaves nothing behind.
set -euo pipefail
lists="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp -r "$lists/.." "$work/policies"
(cd "$lists/../.." && cargo run --quiet -- replies pieces tests/corpus/replies) \
  | "${PYTHON:-python3}" "$lists/learn_replies.py" > "$work/reply_weights.tsv"
diff "$work/reply_weights.tsv" "$lists/reply_weights.tsv" > "$work/differs.txt" \
  || { echo "reply_weights.tsv is not what learn_replies.py makes of the corpus"; head "$work/differs.txt"; exit 1; }
cd "$work"
npm pack --silent zipcodes@8.0.0 areacodes@0.2.1 > packed.txt
for package in zipcodes-8.0.0 areacodes-0.2.1; do
  mkdir "$package"
  tar xzf "$package.tgz" -C "$package"
done
"${PYTHON:-python3}" policies/lists/generate_places.py \
  zipcodes-8.0.0/package/lib/codes.js areacodes-0.2.1/package/lib/data.json > said.txt
for list in area_codes country_zones zip3; do
  diff <(grep -v '^# Generated' "policies/lists/$list.tsv") <(grep -v '^# Generated' "$lists/$list.tsv") \
    || { echo "$list.tsv is not what its generator makes of the published data"; exit 1; }
done
echo "reply_weights, area_codes, country_zones and zip3 are what their generator makes of the published data"
