#!/usr/bin/env bash
# The servers that the tests of the stores start, the browser that looks at the report and runs the browser build, and the terminal of docs/cli.md, from Debian. As root. Without them those tests are skipped, and fail where CI=true.
set -euo pipefail

packages=(
  nginx-light openssl # test/stores/http.test.ts
  radosgw ceph-mon ceph-osd # test/stores/s3.test.ts
  redis-server # test/stores/redis.test.ts
  chromium # test/cli/commands/report.test.ts, test/integration/browser.test.ts
  tmux # node scripts/record-cli.mjs
)
missing=()
for package in "${packages[@]}"; do
  dpkg --status "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
done
if ((${#missing[@]})); then
  apt-get update -qq
  # Installing must not start them: the tests use ports of their own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" \
    >/dev/null
fi
