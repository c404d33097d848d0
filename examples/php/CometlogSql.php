<?php
declare(strict_types=1);

/**
 * Publishes by SQL, with PDO: an INSERT into the view "publish" of the log,
 * which readers get as fast as what comes over HTTP.  PHP 7.4 or newer with
 * pdo_sqlite, on the machine of the log and as its user.
 *
 * (a) a message for itself:
 *
 *	$comet = CometlogSql::open('/var/lib/cometlog/cometlog.db');
 *	$comet->publish('orders/77', ['state' => 'paid']);
 *
 * (b) together with the site's own data, in tables beside those of the log:
 *
 *	$comet->transaction(function (PDO $db) use ($comet) {
 *		$db->exec("UPDATE shop_order SET state = 'paid' WHERE id = 77");
 *		$comet->publish('orders/77', ['state' => 'paid']);
 *	});
 *
 *     Both are stored, or neither.  Begin the names of your tables with a
 *     word of your own; don't change those of the log.
 *
 * (c) the same with the site's data in another SQLite file: attach() instead
 *     of open().  Read there what a crash can do.
 */
final class CometlogSql
{
	private const TIMEOUT_S = 5;    // to wait for others who write

	private PDO $db;
	private string $schema;

	private function __construct(PDO $db, string $schema)
	{
		$this->db = $db;
		$this->schema = $schema;
	}

	/**
	 * @throws PDOException "database is locked" and the like, here and below
	 * @throws RuntimeException when there is no log: SQLite would make an
	 *     empty file
	 */
	public static function open(string $log): self
	{
		self::mustBeThere($log);
		return new self(new PDO("sqlite:$log", null, null, [
			PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
			PDO::ATTR_TIMEOUT => self::TIMEOUT_S,
		]), 'main');
	}

	/**
	 * $site: the site's own SQLite file, which gets exceptions for errors.
	 *
	 * A ROLLBACK undoes the site's changes and the messages.  A COMMIT writes
	 * the two files one after the other, for the log is in WAL mode: should
	 * power, process or disk fail just in between, then one file has its
	 * part and the other has not.  Nothing is damaged, but an order may be
	 * there that was never told.  If that matters give messages an id, and
	 * publish the recent ones again after a crash: ids that the log has
	 * store nothing.  mend() in orders.php does it.
	 */
	public static function attach(PDO $site, string $log): self
	{
		self::mustBeThere($log);
		$site->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
		$site->setAttribute(PDO::ATTR_TIMEOUT, self::TIMEOUT_S);
		$site->prepare('ATTACH DATABASE ? AS cometlog')->execute([$log]);
		return new self($site, 'cometlog');
	}

	/** The connection, for the site's own queries. */
	public function pdo(): PDO
	{
		return $this->db;
	}

	/**
	 * $data: text, or whatever json_encode takes.  $id: what the channel had
	 * within a day (option dedupe-window) under the same id stays the only one.
	 */
	public function publish(string $channel, $data, ?string $event = null,
		?string $id = null): void
	{
		$isJson = !is_string($data);
		if ($isJson)
			$data = json_encode($data, JSON_THROW_ON_ERROR |
				JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE);
		$this->db->prepare("INSERT INTO $this->schema.publish
			(channel, data, event, id, json) VALUES (?, ?, ?, ?, ?)")
			->execute([$channel, $data, $event, $id, (int) $isJson]);
	}

	/**
	 * Calls $work with the connection, and returns what it returns: all that
	 * it changed and published is stored, or nothing if it throws.  Nobody
	 * else can write meanwhile, so no mail and no card payment in there.
	 *
	 * IMMEDIATE, which PDO's beginTransaction() can't: to have read first and
	 * then to write fails at once where somebody wrote in between, with no
	 * waiting for a turn.
	 */
	public function transaction(callable $work)
	{
		$this->db->exec('BEGIN IMMEDIATE');
		try {
			$result = $work($this->db);
			$this->db->exec('COMMIT');
			return $result;
		} catch (Throwable $e) {
			$this->rollBack();
			throw $e;
		}
	}

	/** Others were writing all the time: worth another try. */
	public static function isBusy(PDOException $e): bool
	{
		return ($e->errorInfo[1] ?? 0) === 5;   // SQLITE_BUSY
	}

	private function rollBack(): void
	{
		try {
			$this->db->exec('ROLLBACK');
		} catch (PDOException $e) {
			// A full disk has ended the transaction by itself.
		}
	}

	private static function mustBeThere(string $log): void
	{
		if (!is_file($log))
			throw new RuntimeException("there is no log at $log");
	}
}
