# Sourced by the other scripts: where things live.
RACKHAND_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The services run as an unprivileged user, who must be able to read this clone. Below
# /root he cannot: then the clone is used through a bind mount outside of it.
others_can_read() { setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$1/pyproject.toml"; }
if [ "$(id -u)" = 0 ] && ! others_can_read "$RACKHAND_ROOT"; then
  chmod o+rx "$RACKHAND_ROOT"
  if ! others_can_read "$RACKHAND_ROOT"; then
    open_root=/opt/rackhand/clone-$(stat -c %d-%i "$RACKHAND_ROOT")
    mkdir -p "$open_root"
    mountpoint -q "$open_root" || mount --bind "$RACKHAND_ROOT" "$open_root"
    RACKHAND_ROOT=$open_root
  fi
fi

RACKHAND_CACHE=${RACKHAND_CACHE:-/var/cache/rackhand}
export RACKHAND_ROOT RACKHAND_CACHE
export RACKHAND_IRONIC_ENV=${RACKHAND_IRONIC_ENV:-$RACKHAND_ROOT/.venv-ironic}
export UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=hardlink
export UV_CACHE_DIR=${UV_CACHE_DIR:-$RACKHAND_CACHE/uv}
export PYTHONPATH=  # an inherited one must not reach our environments
export PATH=$RACKHAND_ROOT/.venv/bin:$RACKHAND_CACHE/uv-bin/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$RACKHAND_ROOT" || exit 1
