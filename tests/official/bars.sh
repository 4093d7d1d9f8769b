#!/usr/bin/env bash
# bars.sh PYTHON BUILD: every figure of docs/validation.md, beside HL7's validator in BUILD (see
# setup.sh). About half an hour on two cores; HL7's verdicts are kept in BUILD/bars and asked once.
# SEEDS="201 202" chooses other mutants than those of the table.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$1
build=$(cd "$2" && pwd)
npm=$build/npm
out=$build/bars
mkdir -p "$out"
export PYTHONPATH=.

fetch() { # NAME VERSION: a package of examples, unpacked beside the mutants
  if [ ! -d "$out/$1" ]; then
    (cd "$out" && npm pack --silent "$1@$2" >/dev/null && mkdir "$1" && tar -xzf "$1-$2.tgz" -C "$1")
  fi
}

mutants() { # RELEASE LEAST SEEDS PACKAGES...
  local release=$1 least=$2 seeds=$3 files=()
  shift 3
  for seed in $seeds; do
    files+=("$out/$release-$seed.ndjson")
    "$python" tests/official/mutate.py --release "$release" --seed "$seed" --count 2000 \
      --packages "$@" --out "$out/$release-$seed.ndjson"
  done
  echo "== $release: mutants of official examples, seeds $seeds"
  "$python" tests/official/compare.py --release "$release" --oracle "$build" \
    --fail-below "$least" "${files[@]}"
}

fetch hl7.fhir.r5.examples 5.0.0
fetch hl7.fhir.uv.genomics-reporting 3.0.0
fetch hl7.fhir.uv.ips 2.0.0
fetch hl7.fhir.au.base 6.0.0
fetch hl7.fhir.uv.sdc 4.0.0-ballot

mutants R4 99 "${SEEDS:-101 102 103 104 105 106 107 108 109 110}" \
  "$npm/hl7.fhir.r4.examples-4.0.1.tgz"
mutants R5 98.5 "${SEEDS:-101 102 103}" \
  "$out/hl7.fhir.r5.examples/package" "$npm/hl7.fhir.r5.core-5.0.0.tgz"

echo "== systematic faults of five resource types"
"$python" tests/official/systematic.py --packages "$npm/hl7.fhir.r4.examples-4.0.1.tgz" \
  --out "$out" --oracle "$build" --every 5 --fail-below 99

if [ -d ../shared/data/fhir-test-cases ]; then
  echo "== HL7's test cases"
  "$python" tests/official/cases.py --cases ../shared/data/fhir-test-cases --fail-below 97
else
  echo "skipped: HL7's test cases (no ../shared/data/fhir-test-cases)"
fi

echo "== guides"
"$python" tests/official/profiles.py --core "$npm/hl7.fhir.r4.examples-4.0.1.tgz" \
  --oracle "$build" --out "$out" --fail-below 97 \
  "$out/hl7.fhir.uv.genomics-reporting/package" "$out/hl7.fhir.uv.ips/package" \
  "$out/hl7.fhir.au.base/package" "$out/hl7.fhir.uv.sdc/package"
