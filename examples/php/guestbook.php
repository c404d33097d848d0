<?php
/*
 * A guestbook: rendered by PHP, live from then on, complete without
 * JavaScript.  Its entries are in a table beside the log's, so that an entry
 * and its message are stored together.
 *
 * Beside it: guestbook.js, guestbook.css, CometlogSql.php, config.php, and from
 * Cometlog's pages comet.js and style.css.
 */
declare(strict_types=1);

require __DIR__ . '/CometlogSql.php';
$config = require __DIR__ . '/config.php';

const SHOWN = 50;
const NAME_MAX = 40;
const TEXT_MAX = 1000;
const TABLE = '
	CREATE TABLE IF NOT EXISTS guestbook_entry (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		form TEXT NOT NULL UNIQUE,
		name TEXT NOT NULL,
		text TEXT NOT NULL,
		time TEXT NOT NULL
	)';

function open_book(string $log): CometlogSql
{
	$comet = CometlogSql::open($log);
	$comet->pdo()->exec(TABLE);
	return $comet;
}

// ---- what is asked -------------------------------------------------------

/** A field of the form, without blanks around it; "" for what is no text. */
function field(string $name): string
{
	$value = $_POST[$name] ?? '';

	if (!is_string($value) || !preg_match('//u', $value))
		return '';
	return trim(str_replace("\r\n", "\n", $value));
}

/** What the visitor sent: what is shown again if it can't be stored. */
function sent(): array
{
	return ['name' => field('name'), 'text' => field('text'),
		'form' => field('form')];
}

/** What is wrong with it; "" if nothing is. */
function complaint(array $sent): string
{
	// Pages of other sites can't know the token: they can't post for you.
	if (!hash_equals($_SESSION['token'], field('token')))
		return 'This page was open for too long. Please send it again.';
	if (!preg_match('/^[0-9a-f]{32}$/D', $sent['form']) ||
		!preg_match('/^[^\n]{1,' . NAME_MAX . '}$/Du', $sent['name']) ||
		!preg_match('/^.{1,' . TEXT_MAX . '}$/Dsu', $sent['text']))
		return 'Please give a name of up to ' . NAME_MAX .
			' characters and a text of up to ' . TEXT_MAX . '.';
	return '';
}

// ---- the book ------------------------------------------------------------

/** Both or neither; the same form sent twice (a double click) counts once. */
function sign(CometlogSql $comet, array $sent): void
{
	$entry = ['name' => $sent['name'], 'text' => $sent['text'],
		'time' => gmdate('Y-m-d\TH:i:s\Z')];

	$comet->transaction(function (PDO $db) use ($comet, $entry, $sent) {
		$insert = $db->prepare('INSERT OR IGNORE
			INTO guestbook_entry(form, name, text, time)
			VALUES (?, ?, ?, ?)');
		$insert->execute([$sent['form'], ...array_values($entry)]);
		if ($insert->rowCount() === 1)
			$comet->publish('guestbook',
				['id' => (int) $db->lastInsertId()] + $entry);
	});
}

/** Newest first. */
function entries(CometlogSql $comet): array
{
	$select = $comet->pdo()->prepare('SELECT id, name, text, time
		FROM guestbook_entry ORDER BY id DESC LIMIT ?');
	$select->bindValue(1, SHOWN, PDO::PARAM_INT);
	$select->execute();
	return $select->fetchAll(PDO::FETCH_ASSOC);
}

/**
 * The newest cursor.  To be read BEFORE the entries: what is published after
 * it comes to the page live, and if the entries have it already, guestbook.js
 * knows it by its id.  "" where there is no tip file: the page is live from
 * the moment it connects.
 */
function tip(string $file): string
{
	return is_readable($file) ? trim((string) file_get_contents($file)) : '';
}

// ---- the page ------------------------------------------------------------

function h(string $text): string
{
	return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

/** Also the template that guestbook.js fills, so that both look alike. */
function render_entry(array $entry): string
{
	$time = $entry['time'] === '' ? ''
		: date('j M Y, H:i', strtotime($entry['time']));

	return '<li class="message" data-id="' . (int) $entry['id'] . '">' .
		'<p class="head"><bdi class="name">' . h($entry['name']) . '</bdi>' .
		'<time class="time" datetime="' . h($entry['time']) . '">' . h($time) .
		'</time></p><p class="text" dir="auto">' . h($entry['text']) .
		"</p></li>\n";
}

/** $entries: null when the book can't be opened. */
function render(?array $entries, string $tip, array $sent, string $notice,
	string $comet): void
{
	$empty = ['id' => 0, 'name' => '', 'text' => '', 'time' => ''];
	$hasForm = $entries !== null || $sent['text'] !== '';
	?>
<!DOCTYPE html>
<html lang="en"<?= $tip === '' ? '' : ' data-since="' . h($tip) . '"' ?>>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Guestbook</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<link rel="stylesheet" href="guestbook.css">
<?php if ($entries !== null): ?>
<script type="module" src="guestbook.js"></script>
<?php endif ?>
</head>
<body>
<main class="guestbook" data-comet="<?= h($comet) ?>">
<h1>Guestbook</h1>

<?php if ($hasForm): ?>
<form method="post">
<input type="hidden" name="token" value="<?= h($_SESSION['token']) ?>">
<input type="hidden" name="form" value="<?= h($sent['form']) ?>">
<div class="sender">
<label for="name">Name</label>
<input id="name" name="name" type="text" maxlength="<?= NAME_MAX ?>" autocomplete="nickname" required value="<?= h($sent['name']) ?>">
</div>
<div class="words">
<label for="text">Message</label>
<textarea id="text" name="text" rows="4" maxlength="<?= TEXT_MAX ?>" required>
<?= h($sent['text']) ?></textarea>
</div>
<button type="submit">Sign</button>
</form>
<?php endif ?>
<p class="notice" id="notice" role="alert"><?= h($notice) ?></p>

<?php if ($entries !== null): ?>
<section class="panel" aria-labelledby="entries-title">
<div class="panel-head">
<h2 id="entries-title">Entries</h2>
<p class="state" id="state" data-state="connecting" hidden>
<span class="dot"></span><span role="status">Connecting</span>
</p>
</div>
<ol class="messages" id="entries" reversed aria-live="polite"><?=
	implode('', array_map('render_entry', $entries)) ?></ol>
<p class="blank">Nobody has signed yet. Be the first.</p>
<template id="entry"><?= render_entry($empty) ?></template>
</section>
<?php endif ?>
</main>
</body>
</html>
<?php
}

// ---- one request ---------------------------------------------------------

function start_session(): void
{
	session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax',
		'use_strict_mode' => true]);
	$_SESSION['token'] = $_SESSION['token'] ?? bin2hex(random_bytes(16));
}

/** Stores what was sent; true: the page is to be loaded again. */
function take(CometlogSql $comet, array $sent, string &$notice): bool
{
	$notice = complaint($sent);
	if ($notice !== '') {
		http_response_code(422);
		return false;
	}
	try {
		sign($comet, $sent);
	} catch (PDOException $e) {
		if (!CometlogSql::isBusy($e))
			throw $e;
		http_response_code(503);
		$notice = 'The book is in use. Please send it again in a moment.';
		return false;
	}
	$_SESSION['name'] = $sent['name'];
	header('Location: ' . $_SERVER['SCRIPT_NAME'], true, 303);
	return true;
}

function answer(array $config): void
{
	$isPost = $_SERVER['REQUEST_METHOD'] === 'POST';
	$sent = $isPost ? sent() : ['name' => $_SESSION['name'] ?? '',
		'text' => '', 'form' => bin2hex(random_bytes(16))];
	$entries = null;
	$notice = $tip = '';

	try {
		$comet = open_book($config['log']);
		if ($isPost && take($comet, $sent, $notice))
			return;
		$tip = tip($config['tip']);     // before the entries
		$entries = entries($comet);
	} catch (RuntimeException $e) {
		// The reason is for the operator, not for the visitor.
		error_log("guestbook: {$e->getMessage()}");
		http_response_code(503);
		header('Retry-After: 10');
		$notice = 'The book can’t be opened just now. Please come back ' .
			'in a few minutes.';
	}
	render($entries, $tip, $sent, $notice, $config['browser']);
}

header("Content-Security-Policy: default-src 'self'; img-src 'self' data:; " .
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
header('X-Content-Type-Options: nosniff');
start_session();
answer($config);
