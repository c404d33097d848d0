/* Runs the snippets from the very text that the page shows. */

const form = document.getElementById("form");

async function post(event) {
	const field = document.getElementById("data");
	const notice = document.getElementById("notice");

	event.preventDefault();
	try {
		const answer = await fetch(form.action, {
			method: "POST",
			body: new URLSearchParams({ data: field.value }),
		});
		if (!answer.ok)
			throw new Error(`the server answered ${answer.status}`);
		field.value = "";
		notice.textContent = "";
	} catch (error) {
		notice.textContent = "Not posted: " + error.message;
	}
}

form.addEventListener("submit", post);
for (const snippet of document.querySelectorAll(".beside")) {
	const code = snippet.querySelector("code").textContent;
	const stage = snippet.querySelector(".stage");

	/* A fragment made like this runs its scripts, which innerHTML doesn't. */
	stage.append(document.createRange().createContextualFragment(code));
}
