#!/usr/bin/env bash
# Lists the skipped tests of a directory of TRX files with their reasons and the failed ones with the start of what they said,
# then prints the sum of all counters as one line.
#   .ci/sum-tests.sh DIRECTORY [EXIT-CODE-OF-THE-RUN]
# Exits 1 when a test failed, when there is nothing to sum, or when the run's exit code and its files disagree.
set -euo pipefail
shopt -s nullglob
files=("$1"/*.trx)
code=${2:-0}
if [ ${#files[@]} -eq 0 ]; then
  echo "The test run broke: it left no results in $1." >&2
  exit 1
fi

# The value of an attribute in the one <Counters .../> of a TRX file.
counter() {
  grep -o '<Counters [^>]*>' "$1" | grep -o " $2=\"[0-9]*\"" | grep -o '[0-9]\+'
}

passed=0 failed=0 total=0
for file in "${files[@]}"; do
  passed=$((passed + $(counter "$file" passed)))
  total=$((total + $(counter "$file" total)))
  for kind in failed error timeout aborted; do
    failed=$((failed + $(counter "$file" "$kind")))
  done
done
skipped=$((total - passed - failed))

# Prints each result of one outcome with the text of its <Output>, cut to a length. TRX files have no line breaks of their own:
# one is put before and after each result, and before what follows the last, which says how all of it ended.
list() {
  sed 's/<UnitTestResult /\n&/g; s#</UnitTestResult>#&\n#g; s#</Results>#\n&#g' "${files[@]}" | awk -v outcome="outcome=\"$1\"" -v label="$2" -v longest="$3" '
    /<UnitTestResult / { inside = index($0, outcome) > 0; text = ""; name = $0; sub(/.*testName="/, "", name); sub(/".*/, "", name) }
    inside { line = $0; gsub(/<[^>]*>/, " ", line); text = text " " line }
    inside && (/<\/UnitTestResult>/ || /<UnitTestResult [^>]*\/>/) {
      text = name ": " text
      gsub(/&#x[0-9A-Fa-f]+;/, " ", text)
      gsub(/&quot;/, "\"", text); gsub(/&apos;/, "\047", text); gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&amp;/, "\\&", text)
      gsub(/[ \t\r\n]+/, " ", text); sub(/ $/, "", text)
      if (length(text) > longest) text = substr(text, 1, longest) " ..."
      print label ": " text
      inside = 0
    }
  '
}
list NotExecuted Skipped 1000
list Failed Failed 3000

if [ "$total" -eq 0 ]; then
  echo "The test run broke: no test ran." >&2
  exit 1
fi
if [ "$failed" -eq 0 ] && [ "$code" -ne 0 ]; then
  echo "The test run broke: it ended with exit code $code, yet its results name no failure." >&2
  exit 1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
