"""Write the OpenAPI document of a service with the sandbox's settings: python -m tests.openapi.document
FILE"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from tests.conftest import open_folder
from tests.http.conftest import serving
from utskick.store import migrations
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.embedded import Embedded


async def fetch(url: str, folder: Path) -> str:
    """Start the service and return its description as JSON."""
    database = Database(url, size=4, vault=Vault(Cipher([bytes(32)])))
    await database.open()
    try:
        async with serving(database, folder / "data", work=False) as client:
            return (await client.get("/openapi.json")).text
    finally:
        await database.close()


def main(target: Path) -> None:
    folder = open_folder("utskick-openapi.")
    embedded = Embedded(folder / "var")
    try:
        url = embedded.start()
        migrations.migrate(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(asyncio.run(fetch(url, folder)))
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
