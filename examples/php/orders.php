<?php
/*
 * A shop that tells its pages what is sold.  An order and its message are
 * stored together or not at all:
 *
 *	php orders.php stock ITEM COUNT         new goods
 *	php orders.php order ITEM COUNT         somebody buys
 *	php orders.php mend                     after a crash, see mend()
 *
 * The shop's tables are in the log's own file.  "--shop FILE" before all that
 * keeps them in another SQLite file.
 */
declare(strict_types=1);

require_once __DIR__ . '/CometlogSql.php';

const SHOP_TABLES = '
	CREATE TABLE IF NOT EXISTS shop_item (
		name TEXT PRIMARY KEY,
		stock INTEGER NOT NULL CHECK (stock >= 0)
	);
	CREATE TABLE IF NOT EXISTS shop_order (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		item TEXT NOT NULL,
		count INTEGER NOT NULL CHECK (count > 0),
		time TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
		message TEXT NOT NULL DEFAULT (lower(hex(randomblob(16))))
	);
';

function stock(PDO $db, string $item, int $count): void
{
	$db->prepare('INSERT INTO shop_item(name, stock) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET stock = stock + excluded.stock')
		->execute([$item, $count]);
}

/** The number of the order. */
function order(CometlogSql $comet, string $item, int $count): int
{
	return $comet->transaction(function (PDO $db) use ($comet, $item, $count) {
		$db->prepare('INSERT INTO shop_order(item, count) VALUES (?, ?)')
			->execute([$item, $count]);
		$id = (int) $db->lastInsertId();
		tell($comet, "id = $id");

		// Too late?  The order and its message are undone, and nobody
		// has seen either of them.
		$take = $db->prepare('UPDATE shop_item SET stock = stock - ?
			WHERE name = ? AND stock >= ?');
		$take->execute([$count, $item, $count]);
		if ($take->rowCount() === 0)
			throw new DomainException("there is not enough $item left");
		return $id;
	});
}

/**
 * Publishes orders.  Each has its message's id, so that it is one message
 * however often it is told.  (Not the order's number, which a shop that is
 * set up anew uses again.)
 */
function tell(CometlogSql $comet, string $condition): void
{
	$orders = $comet->pdo()->query("SELECT id, item, count, message
		FROM shop_order WHERE $condition ORDER BY id");
	foreach ($orders->fetchAll(PDO::FETCH_ASSOC) as $order)
		$comet->publish('shop/orders', [
			'order' => (int) $order['id'],
			'item' => $order['item'],
			'count' => (int) $order['count'],
		], 'sold', $order['message']);
}

/**
 * For a shop in a file of its own, which a crash may have parted from the log
 * (see CometlogSql::attach): tells the last hour's orders again.
 */
function mend(CometlogSql $comet): void
{
	$comet->transaction(function () use ($comet) {
		tell($comet, "time > datetime('now', '-1 hour')");
	});
}

function shop(?string $file, string $log): CometlogSql
{
	$comet = $file === null ? CometlogSql::open($log)
		: CometlogSql::attach(new PDO("sqlite:$file"), $log);
	$comet->pdo()->exec(SHOP_TABLES);
	return $comet;
}

function usage(): int
{
	fwrite(STDERR, "usage: php orders.php [--shop FILE] stock ITEM COUNT\n" .
		"       php orders.php [--shop FILE] order ITEM COUNT\n" .
		"       php orders.php [--shop FILE] mend\n");
	return 2;
}

function main(array $arguments, string $log): int
{
	$file = null;

	if (($arguments[0] ?? '') === '--shop') {
		$file = $arguments[1] ?? '';
		$arguments = array_slice($arguments, 2);
	}
	[$what, $item, $count] = $arguments + ['', '', '0'];
	try {
		if ($what === 'mend')
			mend(shop($file, $log));
		elseif ($what === 'stock' && (int) $count > 0)
			stock(shop($file, $log)->pdo(), $item, (int) $count);
		elseif ($what === 'order' && (int) $count > 0)
			echo order(shop($file, $log), $item, (int) $count), "\n";
		else
			return usage();
		return 0;
	} catch (DomainException | RuntimeException $e) {
		fwrite(STDERR, $e->getMessage() . "\n");
		return 1;
	}
}

if (PHP_SAPI !== 'cli')
	http_response_code(404);
elseif (realpath($argv[0]) === __FILE__)
	exit(main(array_slice($argv, 1),
		(require __DIR__ . '/config.php')['log']));
