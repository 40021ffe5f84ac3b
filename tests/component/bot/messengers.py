"""Telegram, Slack, Discord and a mail server on loopback: they speak the protocols, and keep what they are told."""

from __future__ import annotations

import asyncio
import json
from email import message_from_bytes, policy
from typing import Any

from aiohttp import web

TOKEN = "123456789:AAF-test_token_of_a_telegram_bot_35"
CHAT = "-1001234567890"
SLACK = "services/T0AAAAAAA/B0BBBBBBB/SecretSecretSecretSecret"
DISCORD = "api/webhooks/112233445566778899/very-secret_discord-token"


class Messengers:
    """One HTTP server for the three, one for mail. `down` makes a channel answer 503, `slow` lets it say nothing."""

    def __init__(self) -> None:
        self.told: dict[str, list[dict[str, Any]]] = {"telegram": [], "slack": [], "discord": [], "email": []}
        self.down: set[str] = set()
        self.slow: set[str] = set()
        self.asked = 0
        self.url = ""
        self.mail_port = 0

    async def start(self) -> Messengers:
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._telegram)
        app.router.add_post(f"/{SLACK}", self._slack)
        app.router.add_post(f"/{DISCORD}", self._discord)
        app.router.add_route("*", "/{anything:.*}", self._nothing)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._mail = await asyncio.start_server(self._smtp, "127.0.0.1", 0)
        self.mail_port = self._mail.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._mail.close()
        await self._runner.cleanup()

    def environment(self) -> dict[str, str]:
        """Give the variables that a person would set."""
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": CHAT,
            "TELEGRAM_API_URL": self.url,
            "SLACK_WEBHOOK_URL": f"{self.url}/{SLACK}",
            "DISCORD_WEBHOOK_URL": f"{self.url}/{DISCORD}",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.mail_port),
            "SMTP_STARTTLS": "false",
            "SMTP_FROM": "bot@example.org",
            "SMTP_TO": "you@example.org, me@example.org",
        }

    def texts(self, channel: str) -> str:
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.told[channel])

    async def _answer(self, channel: str, body: dict[str, Any], answer: web.Response) -> web.Response:
        self.asked += 1
        if channel in self.slow:
            await asyncio.sleep(60)
        if channel in self.down:
            return web.Response(status=503, text="come back later")
        self.told[channel].append(body)
        return answer

    async def _telegram(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        body = await request.json()
        assert str(body["chat_id"]) == CHAT
        ok = web.json_response({"ok": True, "result": {"message_id": 1}})
        return await self._answer("telegram", body, ok)

    async def _slack(self, request: web.Request) -> web.Response:
        return await self._answer("slack", await request.json(), web.Response(text="ok"))

    async def _discord(self, request: web.Request) -> web.Response:
        return await self._answer("discord", await request.json(), web.Response(status=204))

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=404)

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak as much SMTP as a message needs."""

        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        try:
            await say("220 test ESMTP")
            to: list[str] = []
            while line := (await reader.readline()).decode().strip():
                verb = line.split(" ")[0].upper()
                if verb == "RCPT":
                    to.append(line.partition("<")[2].partition(">")[0])
                if verb == "DATA":
                    if "email" in self.down:
                        await say("451 come back later")
                        continue
                    await say("354 go on")
                    data = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                    mail = message_from_bytes(data, policy=policy.default)
                    self.told["email"].append(
                        {"to": to, "subject": str(mail["Subject"]), "from": str(mail["From"]), "text": mail.as_string()}
                    )
                    to = []
                await say("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
