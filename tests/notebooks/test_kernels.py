"""No kernel of a test is spoken to at a TCP port: `LocalKernelManager` says why."""

from __future__ import annotations

from nbval.kernel import CURRENT_ENV_KERNEL_NAME, start_new_kernel


def test_nbval_speaks_with_a_kernel_over_unix_sockets() -> None:
    manager, client = start_new_kernel(kernel_name=CURRENT_ENV_KERNEL_NAME)
    try:
        channels = [client.shell_channel, client.iopub_channel, client.control_channel]
        ends = {channel.socket.LAST_ENDPOINT.decode() for channel in channels}
        assert [end for end in ends if not end.startswith("ipc://")] == []
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
