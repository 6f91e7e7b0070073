import logging

import pytest

from rackhand.plugins.agent import log_mask


@pytest.mark.parametrize(
    "line",
    [
        '"POST /v1/commands/?wait=true&agent_token=s3cr3t HTTP/1.1" 200',
        "Received lookup results: {'config': {'agent_token': 's3cr3t', 'x': 1}}",
        'body {"agent_token": "s3cr3t"}',
        "step {'args': {'configdrive': 's3cr3t', 'order': {'image_url': 'http://x/y'}}}",
        "node {'configdrive': {'user_data': '#cloud-config\\n- \\'s3cr3t\\'', 'x': 1}}",
        "{'driver_info': {'ipmi_password': \"s3cr3t\"}}",
    ],
)
def test_secrets_are_masked_and_the_rest_stays(line: str) -> None:
    masked = log_mask.mask(line)
    assert "s3cr3t" not in masked
    assert log_mask.MASK in masked
    assert masked.replace(log_mask.MASK, "") != masked
    assert masked[:12] == line[:12]


def test_every_logger_writes_masked_lines(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    try:
        log_mask.install()
        log_mask.install()
        logging.getLogger("any").error("url ?agent_token=%s and %d", "s3cr3t", 5)
        logging.getLogger("any").error("plain %s", "words")
    finally:
        logging.setLogRecordFactory(before)
    assert "s3cr3t" not in caplog.text
    assert "and 5" in caplog.text
    assert "plain words" in caplog.text
