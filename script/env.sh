# Sourced by the other scripts: where things live.
RACKHAND_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RACKHAND_CACHE=${RACKHAND_CACHE:-/var/cache/rackhand}
export RACKHAND_ROOT RACKHAND_CACHE
export RACKHAND_IRONIC_ENV=${RACKHAND_IRONIC_ENV:-$RACKHAND_ROOT/.venv-ironic}
export UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=hardlink
export UV_CACHE_DIR=${UV_CACHE_DIR:-$RACKHAND_CACHE/uv}
export PYTHONPATH=  # an inherited one must not reach our environments
export PATH=$RACKHAND_ROOT/.venv/bin:$RACKHAND_CACHE/uv-bin/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$RACKHAND_ROOT" || exit 1
