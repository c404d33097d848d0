<?php
/*
 * Publishes over HTTP:
 *
 *	php publish.php CHANNEL TEXT [ID]
 *
 * Run it twice with the same ID: the message is stored once.
 */
declare(strict_types=1);

if (PHP_SAPI !== 'cli') {
	http_response_code(404);
	exit;
}

require __DIR__ . '/CometlogHttp.php';
$config = require __DIR__ . '/config.php';

if ($argc < 3) {
	fwrite(STDERR, "usage: php publish.php CHANNEL TEXT [ID]\n");
	exit(2);
}

try {
	$comet = new CometlogHttp($config['http']);
	$stored = $comet->publish($argv[1], $argv[2], null, $argv[3] ?? null);
} catch (CometlogRefused $e) {
	fwrite(STDERR, "refused ({$e->getCode()}): {$e->getMessage()}\n");
	exit(1);
} catch (CometlogUnavailable $e) {
	fwrite(STDERR, "try again later: {$e->getMessage()}\n");
	exit(1);
}

echo $stored['cursor'],
	isset($stored['duplicate']) ? ' was there before' : '', "\n";
