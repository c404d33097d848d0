/*
 * Is the program reached at all, and if not: what the answer looks like tells
 * why.  Pure.
 */

import {
	HANDLER, JOURNAL, MAP, MODE, SOCKET, finding, frontOf, isUploaded, passBy,
	remedies, setting,
} from "./doctor-remedies.js";

const missing = (m) => isUploaded(m)
	? finding("reach", "fault", "The program is not there",
		`The web server knows nothing at ${m.base} (404). Is cometlog.fcgi in ` +
		"the folder that this page lies in, with exactly that name? If it is, " +
		"the server looks for a file below it and must be told to run it.",
		HANDLER)
	: finding("reach", "fault", "The program is not mapped",
		`The web server knows nothing at ${m.base} (404): its configuration ` +
		"does not pass that address on to Cometlog.",
		...remedies(MAP[frontOf(m)]));

const failed = (m) => isUploaded(m)
	? finding("reach", "fault", "The program could not be started",
		"The web server tried and failed (500). Mostly it is a permission: the " +
		"program and its folder must be writable for you alone (755, not 775 " +
		"or 777). Else the upload was not binary, the .htaccess has a line " +
		"that this host forbids (take lines out until the 500 goes), or the " +
		"host runs no programs of its users. Its error log has the reason.",
		MODE, HANDLER)
	: finding("reach", "fault", "The program could not be started",
		"The web server tried and failed (500). Its error log has the reason; " +
		"the program’s own words are in the journal, or where diag-file says.",
		JOURNAL);

const refused = (m) => finding("reach", "fault",
	"The web server refuses to run the program",
	"It answers 403: programs may not run in this folder, or the file may not " +
	"be read by the web server.", ...(isUploaded(m) ? [HANDLER, MODE] : []));

const isSource = ({ type, sample }) =>
	sample.startsWith("\x7fELF") || /octet-stream|x-executable/.test(type);

const gateway = (m) => finding("reach", "fault",
	"The program does not answer the web server",
	`The web server asked the program and got nothing (${m.reach.status}): it ` +
	"does not run, or its socket is not where the web server looks, or closed " +
	"to the web server’s user.",
	SOCKET);

/* reach: { status, type, sample (the body’s beginning), detail (of a problem),
   error }.  null: it is reached. */
export function judgeReach(m) {
	const { status, type = "", sample = "", detail, error } = m.reach;

	if (error)
		return finding("reach", "fault", "No answer at all",
			`The request for ${m.base} was not answered (${error}). Is the ` +
			"network there, and the address right?");
	if (status === 200 && m.facts)
		return null;
	if (detail && /option doctor/.test(detail))
		return finding("reach", "note", "The doctor is switched off",
			"The program is there and answers, but does not let itself be " +
			"measured.", setting("doctor = on"));
	if (detail && status === 404)
		return finding("reach", "note", "The program is an older one",
			"It answers, but knows nothing of the doctor. Update it.");
	if (detail)
		return finding("reach", "fault", "The program has trouble",
			`It runs and says: ${detail}`);
	if (status === 200 && isSource({ type, sample }))
		return finding("reach", "fault", "The program is handed out, not run",
			"The web server sends the file cometlog.fcgi itself, as if it were " +
			"a download: nobody told it that .fcgi is a program.", HANDLER,
			MODE);
	if (status === 200)
		return finding("reach", "fault", "Something else answers",
			`At ${m.base} there is another page. A rule of the site (a ` +
			"RewriteRule that sends everything to index.php, for one) takes " +
			"the address. Let it leave Cometlog’s out.",
			passBy(m.base));
	if (status === 401)
		return finding("reach", "fault", "A password is asked for",
			"The web server wants a password for the program’s address, so " +
			"pages can’t reach it either.");
	if (status === 403)
		return refused(m);
	if (status === 404)
		return missing(m);
	if (status === 508)
		return finding("reach", "fault", "The host’s limit is reached",
			"The host answers 508: as many requests of this site as it allows " +
			"are running now. Close other pages and try again; if it stays, " +
			"lower the budget.",
			setting("site-requests = 20\nsite-reserve = 12"));
	return [502, 503, 504].includes(status) ? gateway(m) : failed(m);
}
