#!/bin/sh
# What somebody who looks after a machine does with jobctl in a shell script. Needs a running daemon, and jobctl in
# the PATH; says what is wrong and ends with 1 where something is.
set -eu

fail() {
    echo "sysadmin.sh: $*" >&2
    exit 1
}

# Adding says when the job is due, once, and the job is there.
jobctl add --quiet backup --cron '30 2 * * *' --tag nightly --timeout 1h -- 'echo "saved $JOBCTL_JOB"; exit 3'
jobctl add --quiet backup --cron '30 2 * * *' -- true 2> taken && fail "the name was taken twice"
[ $? -eq 4 ] || fail "a taken name ends with $?"
grep -q 'backup already' taken || fail "a taken name says: $(cat taken)"
[ "$(jobctl list --quiet --tag nightly)" = backup ] || fail "list: $(jobctl list)"

# The exit code of a run is the job's own.
code=0
jobctl run-now backup --wait --quiet || code=$?
[ "$code" -eq 3 ] || fail "run-now ended with $code"
[ "$(jobctl logs backup)" = 'saved backup' ] || fail "logs: $(jobctl logs backup)"

# A change for the better, and a new run.
jobctl edit backup --quiet --set 'command=echo fine'
jobctl run-now backup --wait || fail "the edited job ended with $?"

# During maintenance nothing runs.
jobctl pause --tag nightly --reason maintenance
jobctl list --state paused --quiet | grep -qx backup || fail "it is not paused"
jobctl resume --tag nightly

# History is data.
jobctl history backup --json > history.json
if command -v jq > taken; then
    [ "$(jq -r '[.[].status] | join(" ")' history.json)" = 'succeeded failed' ] || fail "history: $(cat history.json)"
    [ "$(jq -r '.[1].exit_code' history.json)" = 3 ] || fail "exit code: $(cat history.json)"
else
    echo "sysadmin.sh: jq is missing: the history was not looked at" >&2
fi

# What was removed by mistake comes back, what was meant to go goes.
jobctl remove backup
jobctl undo --quiet
jobctl show backup > shown || fail "undo did not bring it back"
jobctl remove --quiet --tag nightly --yes
[ -z "$(jobctl list --quiet)" ] || fail "left: $(jobctl list)"
code=0
jobctl show backup 2> taken || code=$?
[ "$code" -eq 4 ] || fail "show of a removed job ended with $code"
