#!/usr/bin/env bash
# A run of real work that is killed half-way, with its host, and resumed: compresses and hashes files, each job writes
# itself into a ledger, and at the end the ledger is compared with what was told. Usage: demo.sh SELVAGE [FOLDER]
set -euo pipefail

selvage="$1"
folder="${2:-/usr/share}"
items=400
work="$(mktemp -d)"
host=
cleanup() {
  [[ -z "$host" ]] || kill -9 "$host" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '   %s\n' "$*"; }
fail() { printf 'resume demo: %s\n' "$*" >&2; exit 1; }

# find is cut off by head, which is well.
find "$folder" -type f -readable -size +1k -size -200k 2>/dev/null | LC_ALL=C sort | head -n "$items" >"$work/items" || true
count="$(wc -l <"$work/items")"
[[ "$count" -ge 20 ]] || fail "$folder has only $count files of 1 to 200 KiB"

# printf and >> write a line at once, so that no two jobs mix theirs.
line=(run -q --store "$work/store" --name demo --shell -- "gzip -9 <{} | sha256sum && printf '%s\n' {} >>$work/ledger")

say "$count files below $folder, compressed and hashed by: selvage run --store ... --shell -- 'gzip -9 <{} | sha256sum'"
touch "$work/ledger"
# In a shell of its own, which is gone at once: nobody tells of its death then but us.
("$selvage" "${line[@]}" <"$work/items" >"$work/first" & echo $! >"$work/pid")
host="$(cat "$work/pid")"
while [[ "$(wc -l <"$work/ledger")" -lt $((count / 2)) ]] && kill -0 "$host" 2>/dev/null; do sleep 0.01; done
kill -9 "$host" 2>/dev/null || fail "the run was over before it could be killed"
while kill -0 "$host" 2>/dev/null; do sleep 0.01; done
host=
sleep 0.3  # its supervisor ends what was running
told="$(wc -l <"$work/first")"
done_before="$(wc -l <"$work/ledger")"
say "killed its host with SIGKILL when $done_before were done, of which $told had been told"

"$selvage" "${line[@]:0:1}" --resume "${line[@]:1}" <"$work/items" >"$work/second" || fail "the resumed run failed"
"$selvage" run -q --shell -- "gzip -9 <{} | sha256sum" <"$work/items" >"$work/undisturbed"

LC_ALL=C sort "$work/second" >"$work/second.sorted"
LC_ALL=C sort "$work/undisturbed" >"$work/undisturbed.sorted"
cmp -s "$work/second.sorted" "$work/undisturbed.sorted" || fail "the resumed run has other output than an undisturbed one"
[[ "$(LC_ALL=C sort -u "$work/ledger" | wc -l)" -eq "$count" ]] || fail "an item was lost"
twice="$(LC_ALL=C sort "$work/ledger" | uniq -d | wc -l)"
[[ "$twice" -le $((done_before - told)) ]] || fail "$twice items were done twice, $((done_before - told)) were on their way"
say "resumed: nothing was lost, the output is that of an undisturbed run, and of the $((done_before - told)) that were on their way to the disk $twice were done twice"
