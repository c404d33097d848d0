/*
 * Publishes one message.  The id is drawn once and goes along with every try,
 * so that a try whose answer was lost stores nothing a second time.
 */

const WAIT_MS = 1_000;
const WAIT_MAX_MS = 30_000;
const ANSWER_MS = 20_000;

/* crypto.randomUUID is missing where the site is plain http. */
export function newId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));

	return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/*
 * Resolves once the log has the message; goes on trying while the network
 * or the server is in the way, and calls onWait(why) before each pause.
 * Rejects with a sentence when trying again would not help.
 */
export async function publish(channel, fields, onWait) {
	const body = new URLSearchParams(fields);

	for (let failures = 0; ; failures++) {
		const answer = await post("/comet/publish/" + channel, body);

		if (answer?.ok)
			return;
		if (answer && !willPass(answer.status))
			throw new Error(await refusal(answer));
		onWait(obstacle(answer));
		await pause(answer, failures);
	}
}

/* null: the server was not reached. */
async function post(address, body) {
	try {
		return await fetch(address, {
			method: "POST",
			body,
			signal: AbortSignal.timeout(ANSWER_MS),
		});
	} catch {
		return null;
	}
}

function willPass(status) {
	return status === 429 || status >= 500;
}

function obstacle(answer) {
	if (!answer)
		return "The server can’t be reached. Trying again.";
	if (answer.status === 429)
		return "That was a lot at once. Trying again in a moment.";
	return "The server can’t take messages right now. Trying again.";
}

async function refusal(answer) {
	if (answer.status === 413)
		return "This message is too long.";
	try {
		return "Not accepted: " + (await answer.json()).detail;
	} catch {
		return "Not accepted (" + answer.status + ").";
	}
}

function pause(answer, failures) {
	const asked_ms = 1000 * Number(answer?.headers.get("Retry-After"));
	const own_ms = WAIT_MS * 2 ** failures * (0.5 + Math.random());
	const wait_ms = Math.min(Math.max(asked_ms || 0, own_ms), WAIT_MAX_MS);

	return new Promise((resolve) => setTimeout(resolve, wait_ms));
}
