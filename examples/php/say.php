<?php
/*
 * Who may publish what: PHP decides.  Close publishing to the outside in the
 * web server (see README), and let pages post here instead:
 *
 *	fetch("say.php", { method: "POST", body: new URLSearchParams({
 *		room: "garden", text: "hello", token, id: crypto.randomUUID() }) });
 *
 * This file expects that your login has set $_SESSION['user'], 'rooms' (those
 * of the user) and 'token', a random text that your pages contain and that
 * pages of other sites can't know.
 */
declare(strict_types=1);

require __DIR__ . '/CometlogSql.php';

/** Your rule. */
function may_say(array $session, string $room): bool
{
	return in_array($room, $session['rooms'] ?? [], true);
}

/** A field of the form; "" for one that is missing or no text. */
function field(string $name): string
{
	$value = $_POST[$name] ?? '';

	return is_string($value) && preg_match('//u', $value) ? $value : '';
}

function answer(int $status, string $words): void
{
	http_response_code($status);
	header('Content-Type: text/plain; charset=utf-8');
	echo $words, "\n";
}

function say(array $session): void
{
	if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
		header('Allow: POST');
		answer(405, 'Post here.');
	} elseif (!isset($session['user'], $session['token'])) {
		answer(403, 'Log in first.');
	} elseif (!hash_equals($session['token'], field('token'))) {
		answer(403, 'The page is too old. Load it again.');
	} elseif (!may_say($session, field('room'))) {
		answer(403, 'This room is not yours.');
	} elseif (!preg_match('/^.{1,2000}$/us', field('text'))) {
		answer(400, 'A text has 1 to 2000 characters.');
	} elseif (!preg_match('/^[\w-]{0,64}$/D', field('id'))) {
		answer(400, 'An id has letters, digits, _ and -.');
	} else {
		store($session['user']);
		answer(201, 'Said.');
	}
}

/** Who says it is taken from the session, never from the form. */
function store(string $user): void
{
	$config = require __DIR__ . '/config.php';
	$id = field('id');

	CometlogSql::open($config['log'])->publish('rooms/' . field('room'),
		['user' => $user, 'text' => field('text')], null,
		$id === '' ? null : "$user/$id");
}

session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax',
	'use_strict_mode' => true, 'read_and_close' => true]);
try {
	say($_SESSION);
} catch (Exception $e) {
	error_log("say.php: {$e->getMessage()}");
	header('Retry-After: 2');
	answer(503, 'Not stored. Try again in a moment.');
}
