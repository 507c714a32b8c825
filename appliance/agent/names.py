"""The names that are documented to others, and therefore spelled as they are there."""

from pathlib import Path

CONFIG_FILE = Path("/etc/sendpost-agent/config.yaml")
ENDPOINT = "http://127.0.0.1:8025/api/v1/tpsp/custom-smtp/events"
KEY_HEADER = "X-SP-Event-ApiKey"
MESSAGE_HEADER = "X-Sendpost-Message-UUID"
