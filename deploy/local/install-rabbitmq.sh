#!/bin/sh
# Installs RabbitMQ's programs without a running broker, as ours is a private node.
set -eu
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

apt-get update -q -o DPkg::Lock::Timeout=120
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 rabbitmq-server

# The package also enables its broker at boot, which we do not want.
if command -v systemctl >/dev/null; then
  systemctl --quiet disable rabbitmq-server.service epmd.socket epmd.service || true
fi
