-- Statements as Databricks users write them, each with what Databricks answers. They run in order, in
-- one session of the local workspace. After a statement, one of:
--
--   --: done                        it changes something and has no result
--   --: 3 changed                   a DML statement, and how many rows it changed
--   --: a INT, b STRING             the result's columns, then a row of JSON on each line, in order;
--                                   dates, times, decimals and binary data as text
--   --: a INT, b STRING / 3 rows    the same where only the number of rows is certain
--   --: error CLASS SQLSTATE        the error that Databricks gives
--   --: UNSUPPORTED feature         the local workspace refuses it and names this
--   --: differs: why                 it answers otherwise than Databricks

# Catalogs and schemas

CREATE CATALOG IF NOT EXISTS sales COMMENT 'everything sold'
--: done

CREATE SCHEMA shop COMMENT 'the shop'
--: done

CREATE SCHEMA shop
--: error SCHEMA_ALREADY_EXISTS 42P06

CREATE SCHEMA IF NOT EXISTS sales.raw
--: done

SHOW SCHEMAS
--: databaseName STRING
["default"]
["information_schema"]
["shop"]

SHOW DATABASES LIKE 's*'
--: databaseName STRING
["shop"]

SHOW CATALOGS LIKE 'sal*'
--: catalog STRING
["sales"]

DESCRIBE SCHEMA shop
--: database_description_item STRING, database_description_value STRING / 5 rows

USE shop
--: done

SELECT current_catalog(), current_schema()
--: current_catalog() STRING, current_schema() STRING
["main", "shop"]

USE sales.raw
--: done

SELECT current_catalog() AS c, current_database() AS d
--: c STRING, d STRING
["sales", "raw"]

USE CATALOG main
--: done

USE SCHEMA shop
--: done

USE nowhere
--: error SCHEMA_NOT_FOUND 42704

CREATE SCHEMA nocatalog.x
--: error CATALOG_NOT_FOUND 42P08

# Tables

CREATE TABLE orders (id BIGINT NOT NULL COMMENT 'key', customer STRING, amount DECIMAL(10,2), ordered DATE, payload STRING) COMMENT 'all orders' TBLPROPERTIES ('team' = 'shop')
--: done

CREATE TABLE orders (id INT)
--: error TABLE_OR_VIEW_ALREADY_EXISTS 42P07

CREATE TABLE IF NOT EXISTS orders (id INT)
--: done

CREATE TABLE visits (day DATE, page STRING, n INT) PARTITIONED BY (day)
--: done

CREATE TABLE sales.raw.events (id INT, kind STRING) CLUSTER BY (id)
--: done

CREATE TABLE keyed (k BIGINT GENERATED ALWAYS AS IDENTITY, v STRING, twice INT GENERATED ALWAYS AS (n * 2), n INT)
--: done

CREATE TABLE defaulted (id INT, state STRING DEFAULT 'new') TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')
--: done

CREATE TABLE tracked (id INT, v STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')
--: done

CREATE OR REPLACE TABLE numbers AS SELECT id, id * id AS square FROM range(1, 6)
--: done

CREATE OR REPLACE TABLE numbers AS SELECT id, id * id AS square, CAST(id AS STRING) AS text FROM range(1, 6)
--: done

CREATE TABLE numbers_like LIKE numbers
--: done

CREATE TABLE types (a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(38,10), h BOOLEAN, i BINARY, j TIMESTAMP, k TIMESTAMP_NTZ, l ARRAY<INT>, m MAP<STRING,INT>, n STRUCT<x: INT, y: STRING>)
--: done

CREATE TABLE people USING parquet AS SELECT 'Ada' AS name, 36 AS age
--: done

CREATE TABLE twice AS SELECT 1 AS a, 2 AS a
--: error COLUMN_ALREADY_EXISTS 42711

CREATE TABLE keys (a INT, b INT, CONSTRAINT pk PRIMARY KEY (a))
--: done

# Changing rows

INSERT INTO orders VALUES (1, 'ann', 10.50, DATE'2024-01-01', '{"items": [{"sku": "a"}, {"sku": "b"}], "ship to": {"city": "Rome"}}'), (2, 'bob', 20, DATE'2024-01-02', NULL), (3, 'ann', 5.25, DATE'2024-02-01', '{"items": [], "gift": true}')
--: 3 changed

INSERT INTO orders (customer, id) VALUES ('cid', 4)
--: 1 changed

INSERT INTO orders BY NAME SELECT 30 AS amount, 5 AS id
--: 1 changed

INSERT INTO orders (id, nope) VALUES (1, 2)
--: error UNRESOLVED_COLUMN.WITH_SUGGESTION 42703

INSERT INTO orders VALUES (1, 2)
--: error INSERT_COLUMN_ARITY_MISMATCH 21S01

INSERT INTO orders (customer) VALUES ('x')
--: error DELTA_NOT_NULL_CONSTRAINT_VIOLATED 23502

INSERT INTO defaulted (id) VALUES (1)
--: 1 changed

INSERT INTO defaulted VALUES (2, DEFAULT), (3, 'old')
--: 2 changed

SELECT * FROM defaulted ORDER BY id
--: id INT, state STRING
[1, "new"]
[2, "new"]
[3, "old"]

INSERT INTO keyed (v, n) VALUES ('a', 4), ('b', 5)
--: 2 changed

SELECT * FROM keyed ORDER BY k
--: k BIGINT, v STRING, twice INT, n INT
[1, "a", 8, 4]
[2, "b", 10, 5]

INSERT INTO visits VALUES ('2024-01-01', '/', 3), (DATE'2024-01-02', '/', 4)
--: 2 changed

INSERT INTO visits PARTITION (day = DATE'2024-01-03') VALUES ('/x', 1)
--: 1 changed

INSERT OVERWRITE visits PARTITION (day = DATE'2024-01-03') VALUES ('/y', 2)
--: 1 changed

INSERT INTO visits REPLACE WHERE day = DATE'2024-01-02' SELECT DATE'2024-01-02', '/z', 9
--: 1 changed

SELECT * FROM visits ORDER BY ALL
--: day DATE, page STRING, n INT
["2024-01-01", "/", 3]
["2024-01-02", "/z", 9]
["2024-01-03", "/y", 2]

WITH big AS (SELECT 6 AS id, 'dan' AS customer, 99.99 AS amount) INSERT INTO orders (id, customer, amount) SELECT * FROM big
--: 1 changed

UPDATE orders SET amount = amount + 1 WHERE customer = 'ann'
--: 2 changed

UPDATE orders SET amount = 0 WHERE id = (SELECT max(id) FROM orders)
--: 1 changed

DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE amount = 0)
--: 1 changed

DELETE FROM orders o WHERE EXISTS (SELECT 1 FROM numbers n WHERE n.id = o.id AND n.square > 20)
--: UNSUPPORTED a correlated subquery in DELETE or UPDATE

DELETE FROM orders WHERE ordered > current_date() OR now() < TIMESTAMP'2000-01-01 00:00:00'
--: 0 changed

MERGE INTO orders t USING (SELECT 4 AS id, 'cid' AS customer, 7.00 AS amount UNION ALL SELECT 9, 'eve', 8.00) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET amount = s.amount WHEN NOT MATCHED THEN INSERT (id, customer, amount) VALUES (s.id, s.customer, s.amount)
--: 2 changed

MERGE INTO defaulted t USING (SELECT 1 AS id, 'x' AS state) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT * WHEN NOT MATCHED BY SOURCE THEN DELETE
--: 3 changed

MERGE WITH SCHEMA EVOLUTION INTO defaulted t USING (SELECT 1 AS id) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *
--: UNSUPPORTED MERGE WITH SCHEMA EVOLUTION

SELECT id, customer, amount FROM orders ORDER BY id
--: id BIGINT, customer STRING, amount DECIMAL(10,2)
[1, "ann", "11.50"]
[2, "bob", "20.00"]
[3, "ann", "6.25"]
[4, "cid", "7.00"]
[5, null, "30.00"]
[9, "eve", "8.00"]

INSERT INTO types VALUES (1, 2, 3, 4, 1.5, 2.5, 1.0000000001, true, X'00FF', TIMESTAMP'2024-01-01 10:00:00', TIMESTAMP_NTZ'2024-01-01 10:00:00', array(1, NULL), map('a', 1), named_struct('x', 1, 'y', 'z'))
--: 1 changed

SELECT * FROM types
--: a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(38,10), h BOOLEAN, i BINARY, j TIMESTAMP, k TIMESTAMP_NTZ, l ARRAY<INT>, m MAP<STRING,INT>, n STRUCT<x:INT,y:STRING>
[1, 2, 3, 4, 1.5, 2.5, "1.0000000001", true, "00ff", "2024-01-01 10:00:00+00:00", "2024-01-01 10:00:00", [1, null], [["a", 1]], {"x": 1, "y": "z"}]

INSERT INTO types (a) VALUES ('x')
--: error CAST_INVALID_INPUT 22018

TRUNCATE TABLE numbers_like
--: done

# Queries

SELECT customer, id FROM orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY amount DESC) = 1 AND customer IS NOT NULL ORDER BY id
--: customer STRING, id BIGINT
["ann", 1]
["bob", 2]
["cid", 4]
["eve", 9]

SELECT *, rank() OVER (ORDER BY square DESC) AS r FROM numbers QUALIFY r <= 2 ORDER BY r
--: id BIGINT, square BIGINT, text STRING, r INT
[5, 25, "5", 1]
[4, 16, "4", 2]

SELECT customer, count(*) AS n, sum(amount) AS total FROM orders WHERE id < 5 GROUP BY ALL ORDER BY ALL
--: customer STRING, n BIGINT, total DECIMAL(20,2)
["ann", 2, "17.75"]
["bob", 1, "20.00"]
["cid", 1, "7.00"]

SELECT * FROM numbers ORDER BY ALL DESC LIMIT 2
--: id BIGINT, square BIGINT, text STRING
[5, 25, "5"]
[4, 16, "4"]

SELECT * EXCEPT (payload, ordered) FROM orders WHERE id = 2
--: id BIGINT, customer STRING, amount DECIMAL(10,2)
[2, "bob", "20.00"]

SELECT o.* EXCEPT (payload, ordered, amount), n.square FROM orders o JOIN numbers n ON o.id = n.id WHERE o.id = 3
--: id BIGINT, customer STRING, square BIGINT
[3, "ann", 9]

SELECT * EXCEPT (nothing) FROM numbers
--: error UNRESOLVED_COLUMN.WITH_SUGGESTION 42703

SELECT payload:items[0].sku, payload:['ship to'].city, payload:gift::boolean AS gift FROM orders WHERE id IN (1, 3) ORDER BY id
--: sku STRING, city STRING, gift BOOLEAN
["a", "Rome", null]
[null, null, true]

SELECT v:a.b::int AS b, v:c AS c FROM (SELECT parse_json('{"a": {"b": 7}, "c": [1, 2]}') AS v)
--: b INT, c VARIANT
[7, "[1,2]"]

SELECT payload:items[*].sku FROM orders WHERE id = 1
--: UNSUPPORTED [*] in a JSON path

SELECT * FROM (SELECT customer, amount FROM orders) PIVOT (sum(amount) FOR customer IN ('ann', 'bob'))
--: ann DECIMAL(20,2), bob DECIMAL(20,2)
["17.75", "20.00"]

SELECT * FROM (SELECT id, square FROM numbers WHERE id < 3) UNPIVOT (value FOR name IN (id, square)) ORDER BY ALL
--: name STRING, value BIGINT
["id", 1]
["id", 2]
["square", 1]
["square", 4]

FROM orders |> WHERE customer = 'ann' |> AGGREGATE sum(amount) AS total GROUP BY customer
--: customer STRING, total DECIMAL(20,2)
["ann", "17.75"]

WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < 4) SELECT n FROM steps ORDER BY n
--: n INT
[1]
[2]
[3]
[4]

WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever) SELECT max(n) FROM forever
--: error RECURSION_LEVEL_LIMIT_EXCEEDED 42836

SELECT id * 2 AS twice, twice + 1 AS more FROM numbers WHERE id = 3
--: twice BIGINT, more BIGINT
[6, 7]

SELECT count(*) AS n FROM numbers TABLESAMPLE (3 ROWS)
--: n BIGINT
[3]

SELECT decode(id, 1, 'one', 2, 'two', 'many') AS word FROM numbers ORDER BY id LIMIT 3
--: word STRING
["one"]
["two"]
["many"]

SELECT percentile_approx(square, 0.5) AS middle, percentile_approx(square, array(0.25, 0.75)) AS quarters FROM numbers WHERE id < 5
--: middle BIGINT, quarters ARRAY<BIGINT>
[4, [1, 9]]

SELECT customer FROM orders WHERE customer LIKE ANY ('a%', 'e%') ORDER BY id
--: customer STRING
["ann"]
["ann"]
["eve"]

SELECT k, v FROM VALUES (1) AS t(a) LATERAL VIEW explode(map('x', a, 'y', a + 1)) e AS k, v ORDER BY k
--: k STRING, v INT
["x", 1]
["y", 2]

SELECT page, n, tag FROM visits LATERAL VIEW OUTER explode(array('p', 'q')) e AS tag WHERE n = 3 ORDER BY tag
--: page STRING, n INT, tag STRING
["/", 3, "p"]
["/", 3, "q"]

SELECT n.id, doubled.d FROM numbers n, LATERAL (SELECT n.id * 2 AS d) doubled WHERE n.id = 4
--: id BIGINT, d BIGINT
[4, 8]

SELECT customer, sum(amount) OVER (PARTITION BY customer ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM orders WHERE customer = 'ann' ORDER BY id
--: customer STRING, running DECIMAL(20,2)
["ann", "11.50"]
["ann", "17.75"]

SELECT id, lag(square) OVER w AS before FROM numbers WINDOW w AS (ORDER BY id) ORDER BY id LIMIT 2
--: id BIGINT, before BIGINT
[1, null]
[2, 1]

SELECT customer, count(*) AS n FROM orders WHERE id < 3 GROUP BY ROLLUP (customer) ORDER BY customer NULLS FIRST
--: customer STRING, n BIGINT
[null, 2]
["ann", 1]
["bob", 1]

SELECT count(*) FILTER (WHERE square > 5) AS large, max_by(text, square) AS top FROM numbers
--: large BIGINT, top STRING
[3, "5"]

SELECT o.id FROM orders o LEFT ANTI JOIN numbers n ON o.id = n.id
--: id BIGINT
[9]

SELECT id FROM numbers EXCEPT SELECT id FROM orders
--: id BIGINT / 0 rows

SELECT transform(array(1, 2, 3), x -> x * 10) AS t, filter(array(1, 2, 3), x -> x > 1) AS f, aggregate(array(1, 2, 3), 0, (a, x) -> a + x) AS s
--: t ARRAY<INT>, f ARRAY<INT>, s INT
[[10, 20, 30], [2, 3], 6]

SELECT transform_values(map('a', 1), (k, v) -> v + 1) AS m
--: m MAP<STRING,INT>
[[["a", 2]]]

SELECT map_zip_with(map('a', 1), map('a', 2), (k, x, y) -> x + y) AS m
--: UNSUPPORTED map_zip_with

SELECT from_json('{"a": 1, "b": ["x"]}', 'a INT, b ARRAY<STRING>') AS j, to_json(named_struct('a', 1)) AS t
--: j STRUCT<a:INT,b:ARRAY<STRING>>, t STRING
[{"a": 1, "b": ["x"]}, "{\"a\":1}"]

SELECT date_trunc('MONTH', DATE'2024-05-17') AS month, date_add(DATE'2024-01-31', 1) AS next, datediff(DATE'2024-03-01', DATE'2024-02-01') AS days, DATE'2024-01-31' + INTERVAL 1 MONTH AS later
--: month TIMESTAMP, next DATE, days INT, later DATE
["2024-05-01 00:00:00+00:00", "2024-02-01", 29, "2024-02-29"]

SELECT INTERVAL '1' YEAR AS y, INTERVAL '1 02:03:04.5' DAY TO SECOND AS d
--: y INTERVAL YEAR, d INTERVAL DAY TO SECOND
["1-0", "1 02:03:04.500000000"]

SELECT iff(1 < 2, 'yes', 'no') AS a, nvl(NULL, 1) AS b, try_divide(1, 0) AS c, charindex('b', 'abc') AS d
--: a STRING, b INT, c DOUBLE, d INT
["yes", 1, null, 2]

SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(n, s) ORDER BY n
--: n INT, s STRING
[1, "a"]
[2, "b"]

SELECT 1 AS a, 2 AS a
--: a INT, a INT
[1, 2]

SELECT current_user() AS me, session_user() IS NOT NULL AS known
--: me STRING, known BOOLEAN
["me@here.test", true]

SELECT current_user, CURRENT_DATE IS NOT NULL AS d
--: current_user() STRING, d BOOLEAN
["me@here.test", true]

SELECT 2147483647 + 1
--: differs: integer arithmetic wraps around; Databricks raises ARITHMETIC_OVERFLOW

SELECT CAST(1e7 AS STRING)
--: differs: large doubles become text without an exponent (10000000.0 for 1.0E7)

SELECT '5' + 1
--: differs: a number and a text are not added (DATATYPE_MISMATCH); Databricks reads the text as a number

SELECT ai_query('model', 'prompt')
--: UNSUPPORTED the function ai_query

SELECT input_file_name() FROM numbers
--: UNSUPPORTED input_file_name

SELECT _metadata.file_path FROM numbers
--: UNSUPPORTED the column _metadata of files

SELECT row_number() OVER (PARTITION BY customer) FROM orders
--: error _LEGACY_ERROR_TEMP_1037 XX000

SELECT id, rank() OVER w FROM orders WINDOW w AS (PARTITION BY customer)
--: error _LEGACY_ERROR_TEMP_1037 XX000

SELECT m, count(*) FROM VALUES (map(1, 2, 3, 4)), (map(3, 4, 1, 2)) AS t(m) GROUP BY m
--: UNSUPPORTED GROUP BY of maps

SELECT count(DISTINCT m) FROM VALUES (map(1, 2)) AS t(m)
--: UNSUPPORTED DISTINCT of maps

SELECT DISTINCT m FROM types
--: error UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE 0A000

SELECT map(1, 2) AS m UNION SELECT map(3, 4)
--: error UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE 0A000

SELECT map(1, 2) AS m UNION ALL SELECT map(3, 4)
--: m MAP<INT,INT> / 2 rows

SELECT 1 FROM types a JOIN types b ON a.m = b.m
--: error DATATYPE_MISMATCH.INVALID_ORDERING_TYPE 42K09

SELECT 1 FROM types a JOIN types b USING (m)
--: error DATATYPE_MISMATCH.INVALID_ORDERING_TYPE 42K09

SELECT a FROM types ORDER BY m
--: error DATATYPE_MISMATCH.INVALID_ORDERING_TYPE 42K09

SELECT a.id, b.id AS same, a.x, b.y FROM VALUES (1, 2) AS a(id, x) JOIN VALUES (1, 3) AS b(id, y) USING (id) WHERE b.id = 1 ORDER BY a.id
--: id INT, same INT, x INT, y INT
[1, 1, 2, 3]

SELECT b.id FROM VALUES (1) AS a(id) LEFT JOIN VALUES (2) AS b(id) USING (id)
--: UNSUPPORTED b.id of an outer join with USING

SELECT a.* FROM VALUES (1, 2) AS a(id, x) JOIN VALUES (1, 3) AS b(id, y) USING (id)
--: UNSUPPORTED a.* of a join with USING

SELECT x FROM VALUES (1), (2) AS a(x) WHERE EXISTS (SELECT count(*) FROM VALUES (1) AS b(y) WHERE b.y = a.x) ORDER BY x
--: x INT
[1]
[2]

# Numbers

SELECT 2147483647 + 1
--: error ARITHMETIC_OVERFLOW 22003

SELECT n - 2147483647 FROM VALUES (-2) AS t(n)
--: error ARITHMETIC_OVERFLOW 22003

SELECT id * 9223372036854775807 AS big FROM range(2, 3)
--: error ARITHMETIC_OVERFLOW 22003

SELECT id + 9223372036854775807 AS big FROM range(1)
--: big BIGINT
[9223372036854775807]

SELECT - n FROM VALUES (-9223372036854775808) AS t(n)
--: error ARITHMETIC_OVERFLOW 22003

SELECT sum(n) FROM VALUES (9223372036854775807), (1) AS t(n)
--: error ARITHMETIC_OVERFLOW 22003

SELECT sum(n) AS s, sum(n) OVER (ORDER BY n) AS w FROM VALUES (5L), (7L) AS t(n) GROUP BY n ORDER BY s
--: s BIGINT, w BIGINT
[5, 5]
[7, 12]

SELECT transform(array(1, 2147483647), x -> x + 1)
--: error ARITHMETIC_OVERFLOW 22003

SELECT CAST(n AS INT) FROM VALUES (3000000000.5) AS t(n)
--: error CAST_OVERFLOW 22003

SELECT -2147483648 AS i, -9223372036854775808 AS l
--: i INT, l BIGINT
[-2147483648, -9223372036854775808]

SELECT a + 1, b * 2 FROM VALUES (1, 2L) AS t(a, b)
--: (a + 1) INT, (b * 2) BIGINT
[2, 4]

SELECT avg(price) AS mean, avg(price) OVER () AS over_all FROM VALUES (1.10), (2.23), (31.66) AS t(price) GROUP BY price ORDER BY price LIMIT 1
--: mean DECIMAL(8,6), over_all DECIMAL(8,6)
["1.100000", "11.663333"]

SELECT avg(price) AS mean FROM VALUES (1.00), (2.00), (2.00) AS t(price)
--: mean DECIMAL(7,6)
["1.666667"]

SELECT 2.0 / 3 AS a, price / 3 AS b, price / n AS c, price / price AS d FROM VALUES (CAST(5 AS DECIMAL(10,2)), 7) AS t(price, n)
--: a DECIMAL(7,6), b DECIMAL(14,6), c DECIMAL(21,13), d DECIMAL(23,13)
["0.666667", "1.666667", "0.7142857142857", "1.0000000000000"]

SELECT price * 2 AS a, price + 1 AS b, price * n AS c, n - price AS d, price % 3 AS e FROM VALUES (CAST(5 AS DECIMAL(10,2)), 7) AS t(price, n)
--: a DECIMAL(12,2), b DECIMAL(11,2), c DECIMAL(21,2), d DECIMAL(13,2), e DECIMAL(3,2)
["10.00", "6.00", "35.00", "2.00", "2.00"]

SELECT CAST(1.5 AS DECIMAL(38,10)) * CAST(2 AS DECIMAL(38,10)) AS product
--: product DECIMAL(38,6)
["3.000000"]

SELECT price * 1.5D AS a, CAST(2 AS FLOAT) * price AS b FROM VALUES (1.10) AS t(price)
--: a DOUBLE, b DOUBLE
[1.6500000000000001, 2.2]

SELECT price > '1.49' AS a, price = '1.50' AS b, '1.51' <= price AS c FROM VALUES (1.5) AS t(price)
--: a BOOLEAN, b BOOLEAN, c BOOLEAN
[true, true, false]

SELECT CASE WHEN n > 1 THEN 1.5 ELSE 3.456 END AS c, if(n > 1, 1, 2.5D) AS i FROM VALUES (1), (2) AS t(n) ORDER BY n
--: c DECIMAL(4,3), i DOUBLE
["3.456", 2.5]
["1.500", 1.0]

SELECT 1 AS n UNION ALL SELECT 2.5D ORDER BY n
--: n DOUBLE
[1.0]
[2.5]

SELECT CAST(20 AS DECIMAL(4,1)) AS n UNION ALL SELECT CAST(1.25 AS DECIMAL(10,2)) ORDER BY n
--: n DECIMAL(10,2)
["1.25"]
["20.00"]

SELECT n FROM VALUES (1), (2) AS t(n) UNION SELECT CAST(2 AS BIGINT) ORDER BY n
--: n BIGINT
[1]
[2]

SELECT 1 AS n UNION ALL SELECT 'x'
--: error CAST_INVALID_INPUT 22018

WITH q AS (SELECT 1 AS x) SELECT * FROM (WITH q AS (SELECT x + 1 AS x FROM q) SELECT * FROM q)
--: x INT
[2]

SELECT * FROM (WITH inside AS (SELECT 1 AS x) SELECT x + 1 AS y FROM inside), inside
--: error TABLE_OR_VIEW_NOT_FOUND 42P01

SELECT round(x, 2) AS r, round(x) AS whole FROM VALUES (2.675D), (-1.005D), (644.675D), (2.5D), (1e300D) AS t(x)
--: r DOUBLE, whole DOUBLE
[2.68, 3.0]
[-1.01, -1.0]
[644.68, 645.0]
[2.5, 3.0]
[1e+300, 1e+300]

SELECT bround(2.5) AS a, bround(2.665, 2) AS b, pmod(CAST(-7 AS DECIMAL(5,2)), 3) AS c, CAST(2 AS FLOAT) * 3 AS d
--: a DECIMAL(2,0), b DECIMAL(4,2), c DECIMAL(3,2), d DOUBLE
["2", "2.66", "2.00", 6.0]

SELECT nvl(1.5, 2.345) AS a, ifnull(1, 2.5) AS b, nvl2(1, 1, 2.5D) AS c, coalesce(NULL, 1, 5000000000) AS d
--: a DECIMAL(4,3), b DECIMAL(11,1), c DOUBLE, d BIGINT
["1.500", "1.0", 1.0, 1]

SELECT n FROM VALUES (2147483647) AS t(n) WHERE n + 1 > 0
--: error ARITHMETIC_OVERFLOW 22003

SELECT count(t.*) AS whole, count(*) AS all_rows FROM VALUES (1, NULL), (2, 3) AS t(a, b)
--: whole BIGINT, all_rows BIGINT
[1, 2]

CREATE TABLE shop.stock (id INT, n INT, p DECIMAL(10,2), x DOUBLE, s STRING)
--: done

INSERT INTO shop.stock VALUES (1, 2147483647, 5.00, 1e7, 'a'), (2, 1 + 1, 2.00, 0.5, 'b' || 1e7D)
--: 2 changed

INSERT INTO shop.stock VALUES (3, 2147483647 + 1, 1, 1, 'x')
--: error ARITHMETIC_OVERFLOW 22003

UPDATE shop.stock SET n = n + 1 WHERE id = 1
--: error ARITHMETIC_OVERFLOW 22003

UPDATE shop.stock SET s = x || '!', p = p / 3 WHERE id = 1
--: 1 changed

DELETE FROM shop.stock WHERE n + 1 < 0
--: error ARITHMETIC_OVERFLOW 22003

MERGE INTO shop.stock USING (SELECT 1 AS id) AS u ON stock.id = u.id WHEN MATCHED THEN UPDATE SET n = stock.n + 2
--: error ARITHMETIC_OVERFLOW 22003

MERGE INTO shop.stock AS t USING (SELECT 1 AS id UNION SELECT 9 AS id) AS u ON t.id = u.id WHEN MATCHED THEN UPDATE SET n = t.n - 2 WHEN NOT MATCHED THEN INSERT (id, n) VALUES (u.id, u.id * 2)
--: 2 changed

SELECT id, n, p, s FROM shop.stock ORDER BY id
--: id INT, n INT, p DECIMAL(10,2), s STRING
[1, 2147483645, "1.67", "1.0E7!"]
[2, 2, "2.00", "b1.0E7"]
[9, 18, null, null]

SELECT 1 AS n UNION ALL SELECT 2 INTERSECT SELECT 2 ORDER BY n
--: n INT
[1]
[2]

SELECT 1 AS n INTERSECT ALL SELECT 1
--: UNSUPPORTED INTERSECT ALL

SELECT p IN ('1.5', '2') AS a, p BETWEEN '1e0' AND '2' AS b, s = 1.5 AS c, s IN (1.5, 2.5) AS d FROM VALUES (1.50, '1.54'), (3.00, '2.50') AS t(p, s)
--: a BOOLEAN, b BOOLEAN, c BOOLEAN, d BOOLEAN
[true, true, false, false]
[false, false, false, true]

SELECT * FROM VALUES (1.5, 1), (2e0, 2) AS t(x, n)
--: x DOUBLE, n INT
[1.5, 1]
[2.0, 2]

WITH RECURSIVE grown(n) AS (SELECT 2147483000 UNION ALL SELECT n + 500 FROM grown WHERE n > 0) SELECT max(n) FROM grown
--: error ARITHMETIC_OVERFLOW 22003

SELECT CAST(1 AS BIGINT), CAST(2147483647 AS INT) + 1
--: error ARITHMETIC_OVERFLOW 22003

SELECT CASE n + 1 WHEN -2147483648 THEN 'wrapped' END FROM VALUES (2147483647) AS t(n)
--: error ARITHMETIC_OVERFLOW 22003

SELECT CAST(n AS INT) FROM VALUES (3000000000) AS t(n)
--: error CAST_OVERFLOW 22003

SELECT * FROM (SELECT 2147483646 AS x, 'a' AS k) PIVOT (max(x + 1), sum(x) AS s FOR k IN ('a'))
--: a_max((x + 1)) INT, a_s BIGINT
[2147483647, 2147483646]

SELECT * FROM (SELECT 2147483647 AS x, 'a' AS k) PIVOT (max(x + 1) FOR k IN ('a'))
--: error ARITHMETIC_OVERFLOW 22003

SELECT log10(1000) AS a, 1 + 1 AS b
--: a DOUBLE, b INT
[3.0, 2]

SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FROM VALUES (1), (2) AS t(n)
--: UNSUPPORTED percentile_disc

# Text

SELECT CAST(x AS STRING) AS s FROM VALUES (1e7D), (123456.789D), (0.001D), (0.0001D), (-0.0D), (CAST('Infinity' AS DOUBLE)), (CAST('NaN' AS DOUBLE)), (NULL) AS t(x)
--: s STRING
["1.0E7"]
["123456.789"]
["0.001"]
["1.0E-4"]
["-0.0"]
["Infinity"]
["NaN"]
[null]

SELECT CAST(x AS STRING) AS a, x || '' AS b, concat(x, '!') AS c, concat_ws('-', x, 'a') AS d, x::string AS e FROM VALUES (CAST(12345678 AS FLOAT)) AS t(x)
--: a STRING, b STRING, c STRING, d STRING, e STRING
["1.2345678E7", "1.2345678E7", "1.2345678E7!", "1.2345678E7-a", "1.2345678E7"]

SELECT n::string AS a, string(n) AS b FROM VALUES (1e8D) AS t(n)
--: a STRING, b STRING
["1.0E8", "1.0E8"]

SELECT CAST(array(1e10D, 0.5D) AS STRING) AS s
--: s STRING
["[1.0E10, 0.5]"]

SELECT to_json(struct(TIMESTAMP'2024-01-01 10:00:00.123456' AS t, TIMESTAMP_NTZ'2024-01-01 10:00:00' AS n, DATE'2024-01-01' AS d, 1.50 AS x, 1e10D AS y)) AS j
--: j STRING
["{\"t\":\"2024-01-01T10:00:00.123Z\",\"n\":\"2024-01-01T10:00:00.000\",\"d\":\"2024-01-01\",\"x\":1.50,\"y\":1.0E10}"]

SELECT to_json(s) AS j, to_json(named_struct('m', map('k', 2.50), 'a', array(1e7D, NULL))) AS k FROM VALUES (struct(1e-5D AS a, 'x"y' AS b, NULL AS c)) AS t(s)
--: j STRING, k STRING
["{\"a\":1.0E-5,\"b\":\"x\\\"y\"}", "{\"m\":{\"k\":2.50},\"a\":[1.0E7,null]}"]

SELECT 'O''Brien' AS a, "say ""hi""" AS b, '' AS c, 'it\'s' AS d
--: a STRING, b STRING, c STRING, d STRING
["O'Brien", "say \"hi\"", "", "it's"]

SELECT split('hello', '') AS a, split('', '') AS b, split('a,b', ',') AS c
--: a ARRAY<STRING>, b ARRAY<STRING>, c ARRAY<STRING>
[["h", "e", "l", "l", "o"], [""], ["a", "b"]]

SELECT split('hello', '', 3)
--: UNSUPPORTED split by an empty text with a limit

SELECT regexp_count('a1b22', '[0-9]+') AS n
--: n INT
[2]

SELECT j:owner.name AS a, j:OWNER.NAME::string AS b, j:['owner'] AS c, j:list[0].A::int AS d FROM VALUES ('{"Owner": {"Name": "x"}, "list": [{"a": 5}]}'), (NULL), ('no json') AS t(j)
--: a STRING, b STRING, c STRING, d INT
["x", "x", null, 5]
[null, null, null, null]
[null, null, null, null]

SELECT get_json_object(j, '$[\'a b\']') AS a, get_json_object(j, '$.a b') AS b, 1 + 1 AS c FROM VALUES ('{"a b": 1}') AS t(j)
--: a STRING, b STRING, c INT
["1", "1", 2]

SELECT elt(2, 'a', 'b') AS a, elt(n, 'a', 'b') AS b, to_binary('0aff') AS c, to_binary('YQ==', 'base64') AS d FROM VALUES (CAST(NULL AS INT)) AS t(n)
--: a STRING, b STRING, c BINARY, d BINARY
["b", null, "0aff", "61"]

SELECT elt(3, 'a', 'b')
--: error INVALID_ARRAY_INDEX 22003

SELECT to_binary('xyz', 'hex')
--: error CONVERSION_INVALID_INPUT 22018

SELECT to_binary('!!', 'base64')
--: error CONVERSION_INVALID_INPUT 22018

SELECT to_csv(named_struct('a', 'x', 'b', CAST(NULL AS INT), 'c', '')) AS c
--: c STRING
["x,,\"\""]

SELECT to_csv(named_struct('a', 'x', 'b', NULL))
--: UNSUPPORTED to_csv of NULL without a type

SELECT substr('abc', -5, 3) AS a, substring('Spark SQL', -3, 2) AS b, substr('abc', p, 2) AS c FROM VALUES (-3), (2) AS t(p)
--: a STRING, b STRING, c STRING
["a", "SQ", "ab"]
["a", "SQ", "bc"]

SELECT slice(array(1, 2, 3), p, 2) AS a, slice(array(1, 2), -1, 1) AS b FROM VALUES (1), (-2) AS t(p)
--: a ARRAY<INT>, b ARRAY<INT>
[[1, 2], [2]]
[[2, 3], [2]]

SELECT slice(array(1, 2), p, 1) FROM VALUES (0) AS t(p)
--: error INVALID_PARAMETER_VALUE.START 22023

SELECT slice(array(1, 2), 1, -1)
--: error INVALID_PARAMETER_VALUE.LENGTH 22023

SELECT from_json('[1, "2", 3]', 'array<int>') AS a, from_json('[1, 2, null]', 'array<int>') AS b, from_json('[{"a": 1}, 2]', 'array<map<string,int>>') AS c, from_json('[null, {"a": 2}]', 'array<struct<a: int>>') AS d
--: a ARRAY<INT>, b ARRAY<INT>, c ARRAY<MAP<STRING,INT>>, d ARRAY<STRUCT<a:INT>>
[null, [1, 2, null], null, [null, {"a": 2}]]

SELECT left('abc', -1) AS a, right('abc', n) AS b, left('abc', 2) AS c FROM VALUES (-1), (1) AS t(n)
--: a STRING, b STRING, c STRING
["", "", "ab"]
["", "c", "ab"]

# Time

SELECT d + INTERVAL 3 HOURS AS a, d - INTERVAL 30 MINUTES AS b, d + INTERVAL 1 DAY AS c, d + INTERVAL 1 MONTH AS e FROM VALUES (DATE'2024-01-31') AS t(d)
--: a TIMESTAMP, b TIMESTAMP, c DATE, e DATE
["2024-01-31 03:00:00+00:00", "2024-01-30 23:30:00+00:00", "2024-02-01", "2024-02-29"]

SELECT d - DATE'2024-01-01' AS days FROM VALUES (DATE'2024-01-31') AS t(d)
--: days INTERVAL DAY
["30 00:00:00.000000000"]

SELECT datediff(d, DATE'2024-01-01') + 1 AS n, date_sub(d, 2) AS s FROM VALUES (DATE'2024-01-31') AS t(d)
--: n INT, s DATE
[31, "2024-01-29"]

SELECT sum(v) OVER (ORDER BY d RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW) AS week, sum(v) OVER (ORDER BY d RANGE BETWEEN 6 PRECEDING AND CURRENT ROW) AS same FROM VALUES (DATE'2024-01-01', 1), (DATE'2024-01-05', 2), (DATE'2024-01-10', 3) AS t(d, v)
--: week BIGINT, same BIGINT
[1, 1]
[3, 3]
[5, 5]

SELECT t - INTERVAL 1 DAY 2 HOURS AS a, INTERVAL 1 DAY 2 HOURS * 2 AS b, t + INTERVAL 1 DAY + INTERVAL 2 HOURS AS c, localtimestamp() = localtimestamp() AS same FROM VALUES (TIMESTAMP'2024-01-05 10:00:00') AS v(t)
--: a TIMESTAMP, b INTERVAL DAY TO SECOND, c TIMESTAMP, same BOOLEAN
["2024-01-04 08:00:00+00:00", "2 04:00:00.000000000", "2024-01-06 12:00:00+00:00", true]

SET TIME ZONE 'America/Los_Angeles'
--: done

SELECT t = d AS a, t >= DATE'2024-01-05' AS b, d < t AS c FROM VALUES (TIMESTAMP'2024-01-05 00:00:00', DATE'2024-01-05') AS v(t, d)
--: a BOOLEAN, b BOOLEAN, c BOOLEAN
[true, true, false]

SET TIME ZONE 'UTC'
--: done

SELECT unix_date(d) AS a, 1 + 1 AS b FROM VALUES (DATE'1970-01-11') AS v(d)
--: a INT, b INT
[10, 2]

SELECT make_interval(1, 2, 0, 3, 4, 0, 5.5) AS a, make_interval() AS b
--: a INTERVAL, b INTERVAL
["1 years 2 months 3 days 4 hours 5.5 seconds", "0 seconds"]

SELECT timestamp_seconds(1.23) AS a, timestamp_seconds(2) AS b
--: a TIMESTAMP, b TIMESTAMP
["1970-01-01 00:00:01.230000+00:00", "1970-01-01 00:00:02+00:00"]

SELECT datediff(HOUR, TIMESTAMP'2024-01-01', TIMESTAMP'2024-01-02') AS h, datediff(DAY, DATE'2024-01-01', DATE'2024-01-02') AS d
--: h BIGINT, d BIGINT
[24, 1]

SELECT extract(HOUR FROM b - a) AS h, extract(DAY FROM b - a) AS d, date_part('MINUTE', INTERVAL '90' MINUTE) AS m FROM VALUES (TIMESTAMP'2024-01-01 00:00:00', TIMESTAMP'2024-01-03 05:00:00') AS t(a, b)
--: h TINYINT, d INT, m TINYINT
[5, 2, 30]

SELECT hour(TIMESTAMP'2024-01-02 05:00:00' - TIMESTAMP'2024-01-01 00:00:00')
--: error DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE 42K09

SELECT date_add(DATE'2024-01-31', '1') AS a, date_sub(DATE'2024-03-01', 1) AS b
--: a DATE, b DATE
["2024-02-01", "2024-02-29"]

SELECT date_add(DATE'2024-01-31', '1.5')
--: error SECOND_FUNCTION_ARGUMENT_NOT_INTEGER 22023

SELECT date_sub(DATE'2024-01-31', 1.5)
--: error DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE 42K09

# Delta tables

SELECT count(*) AS n FROM orders VERSION AS OF 1
--: n BIGINT
[3]

SELECT count(*) AS n FROM orders@v1
--: n BIGINT
[3]

SELECT count(*) AS n FROM orders VERSION AS OF 999
--: error DELTA_VERSION_NOT_FOUND 22003

SELECT count(*) AS n FROM orders TIMESTAMP AS OF '2020-01-01'
--: error DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION 42816

DESCRIBE HISTORY numbers
--: version BIGINT, timestamp TIMESTAMP, userId STRING, userName STRING, operation STRING, operationParameters MAP<STRING,STRING>, notebook STRUCT<notebookId:STRING>, clusterId STRING, readVersion BIGINT, isolationLevel STRING, isBlindAppend BOOLEAN, operationMetrics MAP<STRING,STRING>, userMetadata STRING, engineInfo STRING / 2 rows

DESCRIBE DETAIL visits
--: format STRING, id STRING, name STRING, description STRING, location STRING, createdAt TIMESTAMP, lastModified TIMESTAMP, partitionColumns ARRAY<STRING>, clusteringColumns ARRAY<STRING>, numFiles BIGINT, sizeInBytes BIGINT, properties MAP<STRING,STRING>, minReaderVersion INT, minWriterVersion INT, tableFeatures ARRAY<STRING> / 1 rows

OPTIMIZE orders
--: path STRING, metrics STRUCT<numFilesAdded:BIGINT,numFilesRemoved:BIGINT,partitionsOptimized:BIGINT,numBatches:BIGINT,totalConsideredFiles:BIGINT,totalFilesSkipped:BIGINT> / 1 rows

OPTIMIZE orders ZORDER BY (customer)
--: path STRING, metrics STRUCT<numFilesAdded:BIGINT,numFilesRemoved:BIGINT,partitionsOptimized:BIGINT,numBatches:BIGINT,totalConsideredFiles:BIGINT,totalFilesSkipped:BIGINT> / 1 rows

OPTIMIZE visits WHERE day > DATE'2024-01-01'
--: UNSUPPORTED OPTIMIZE ... WHERE

VACUUM orders
--: path STRING / 1 rows

VACUUM orders RETAIN 1 HOURS
--: error INVALID_PARAMETER_VALUE 22023

VACUUM orders DRY RUN
--: path STRING / 0 rows

INSERT INTO keys VALUES (1, 2)
--: 1 changed

INSERT INTO keys VALUES (3, 4)
--: 1 changed

RESTORE TABLE keys TO VERSION AS OF 1
--: table_size_after_restore BIGINT, num_of_files_after_restore BIGINT, num_removed_files BIGINT, num_restored_files BIGINT, removed_files_size BIGINT, restored_files_size BIGINT / 1 rows

SELECT * FROM keys
--: a INT, b INT
[1, 2]

INSERT INTO tracked VALUES (1, 'a'), (2, 'b')
--: 2 changed

UPDATE tracked SET v = 'c' WHERE id = 1
--: 1 changed

SELECT id, v, _change_type FROM table_changes('tracked', 1) ORDER BY id, _commit_version, _change_type
--: id INT, v STRING, _change_type STRING
[1, "a", "insert"]
[1, "c", "update_postimage"]
[1, "a", "update_preimage"]
[2, "b", "insert"]

SELECT * FROM table_changes('numbers', 0)
--: error DELTA_MISSING_CHANGE_DATA KD002

ALTER TABLE numbers ADD COLUMN note STRING COMMENT 'free text'
--: done

ALTER TABLE numbers ADD COLUMNS (a INT, b DATE)
--: done

ALTER TABLE types ADD COLUMN n.z INT
--: UNSUPPORTED ALTER TABLE for a field inside of a column

ALTER TABLE numbers RENAME COLUMN note TO remark
--: error DELTA_UNSUPPORTED_RENAME_COLUMN 0AKDC

ALTER TABLE numbers SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')
--: done

ALTER TABLE numbers RENAME COLUMN note TO remark
--: done

ALTER TABLE numbers DROP COLUMNS (a, b)
--: done

ALTER TABLE numbers ALTER COLUMN remark COMMENT 'a remark'
--: done

SELECT * FROM numbers WHERE id = 1
--: id BIGINT, square BIGINT, text STRING, remark STRING
[1, 1, "1", null]

ALTER TABLE numbers RENAME TO squares
--: done

SELECT count(*) AS n FROM squares
--: n BIGINT
[5]

ALTER TABLE squares ADD CONSTRAINT positive CHECK (square > 0)
--: done

INSERT INTO squares (id, square) VALUES (0, 0)
--: error DELTA_VIOLATE_CONSTRAINT_WITH_VALUES 23001

ALTER TABLE squares DROP CONSTRAINT positive
--: done

ALTER TABLE squares CLUSTER BY (id)
--: done

CREATE TABLE squares_copy DEEP CLONE squares
--: done

CREATE OR REPLACE TABLE orders_before SHALLOW CLONE orders VERSION AS OF 1
--: done

SELECT count(*) AS n FROM orders_before
--: n BIGINT
[3]

ALTER TABLE squares SET TAGS ('team' = 'x')
--: UNSUPPORTED ALTER TABLE ... SET TAGS

# What there is

SHOW TABLES LIKE 'squ*'
--: database STRING, tableName STRING, isTemporary BOOLEAN
["shop", "squares", false]
["shop", "squares_copy", false]

DESCRIBE squares
--: col_name STRING, data_type STRING, comment STRING
["id", "bigint", null]
["square", "bigint", null]
["text", "string", null]
["remark", "string", "a remark"]

DESCRIBE TABLE visits
--: col_name STRING, data_type STRING, comment STRING
["day", "date", null]
["page", "string", null]
["n", "int", null]
["# Partition Information", "", ""]
["# col_name", "data_type", "comment"]
["day", "date", null]

DESCRIBE TABLE EXTENDED orders
--: col_name STRING, data_type STRING, comment STRING / 16 rows

DESCRIBE orders amount
--: info_name STRING, info_value STRING
["col_name", "amount"]
["data_type", "decimal(10,2)"]
["comment", "NULL"]

DESCRIBE nothing
--: error TABLE_OR_VIEW_NOT_FOUND 42P01

DESCRIBE QUERY SELECT 1 AS a, 'x' AS b
--: col_name STRING, data_type STRING, comment STRING
["a", "int", null]
["b", "string", null]

SHOW COLUMNS IN visits
--: col_name STRING
["day"]
["page"]
["n"]

SHOW PARTITIONS visits
--: day DATE
["2024-01-01"]
["2024-01-02"]
["2024-01-03"]

SHOW TBLPROPERTIES orders ('team')
--: key STRING, value STRING
["team", "shop"]

SHOW CREATE TABLE visits
--: createtab_stmt STRING
["CREATE TABLE main.shop.visits (\n  day DATE,\n  page STRING,\n  n INT)\nUSING delta\nPARTITIONED BY (day)\n"]

COMMENT ON TABLE visits IS 'page views'
--: done

COMMENT ON COLUMN visits.n IS 'how many'
--: done

SELECT table_name, table_type, comment FROM information_schema.tables WHERE table_schema = 'shop' AND table_name LIKE 'vis%'
--: table_name STRING, table_type STRING, comment STRING
["visits", "MANAGED", "page views"]

SELECT column_name, full_data_type, is_nullable FROM main.information_schema.columns WHERE table_name = 'orders' AND ordinal_position < 3 ORDER BY ordinal_position
--: column_name STRING, full_data_type STRING, is_nullable STRING
["id", "BIGINT", "NO"]
["customer", "STRING", "YES"]
["amount", "DECIMAL(10,2)", "YES"]

SELECT schema_name FROM system.information_schema.schemata WHERE catalog_name = 'sales' ORDER BY 1
--: schema_name STRING
["default"]
["information_schema"]
["raw"]

SHOW TABLES IN sales.raw
--: database STRING, tableName STRING, isTemporary BOOLEAN
["raw", "events", false]

EXPLAIN SELECT 1
--: plan STRING / 1 rows

ANALYZE TABLE orders COMPUTE STATISTICS
--: done

GRANT SELECT ON TABLE orders TO `someone`
--: UNSUPPORTED GRANT

# Views and functions

CREATE VIEW good_orders AS SELECT * EXCEPT (payload) FROM orders WHERE amount > 10
--: done

SELECT id FROM sales.default.nothing
--: error TABLE_OR_VIEW_NOT_FOUND 42P01

SELECT id FROM good_orders ORDER BY id
--: id BIGINT
[1]
[2]
[5]

CREATE OR REPLACE VIEW good_orders (number, who) AS SELECT id, customer FROM orders WHERE amount > 10
--: done

SELECT * FROM good_orders WHERE number = 1
--: number BIGINT, who STRING
[1, "ann"]

CREATE TEMPORARY VIEW recent AS SELECT * FROM orders WHERE ordered > DATE'2024-01-15'
--: done

SELECT count(*) AS n FROM recent
--: n BIGINT
[1]

SHOW VIEWS
--: namespace STRING, viewName STRING, isTemporary BOOLEAN, isMaterialized BOOLEAN
["shop", "good_orders", false, false]
["", "recent", true, false]

DROP TABLE good_orders
--: error EXPECT_TABLE_NOT_VIEW 42809

CREATE FUNCTION vat(amount DECIMAL(10,2), rate DECIMAL(4,2) DEFAULT 0.20) RETURNS DECIMAL(12,2) RETURN amount * rate
--: done

SELECT vat(10.00) AS a, vat(10.00, 0.10) AS b, main.shop.vat(amount => 20.00) AS c
--: a DECIMAL(12,2), b DECIMAL(12,2), c DECIMAL(12,2)
["2.00", "1.00", "4.00"]

SELECT vat()
--: error WRONG_NUM_ARGS.WITHOUT_SUGGESTION 42605

CREATE FUNCTION orders_of(who STRING) RETURNS TABLE (id BIGINT, amount DECIMAL(10,2)) RETURN SELECT o.id, o.amount FROM orders o WHERE o.customer = who
--: done

SELECT id FROM orders_of('ann') ORDER BY id
--: id BIGINT
[1]
[3]

CREATE TEMPORARY FUNCTION half(x DOUBLE) RETURNS DOUBLE RETURN x / 2
--: done

SELECT half(half(10)) AS h
--: h DOUBLE
[2.5]

DESCRIBE FUNCTION vat
--: function_desc STRING / 5 rows

DROP FUNCTION vat
--: done

SELECT vat(1)
--: error UNRESOLVED_ROUTINE 42883

CREATE MATERIALIZED VIEW mv AS SELECT 1
--: UNSUPPORTED CREATE MATERIALIZED VIEW

CACHE TABLE orders
--: done

# Session

SET TIME ZONE 'Europe/Berlin'
--: done

SELECT current_timezone() AS tz, TIMESTAMP'2024-01-01 12:00:00' AS noon
--: tz STRING, noon TIMESTAMP
["Europe/Berlin", "2024-01-01 12:00:00+01:00"]

SET TIME ZONE 'UTC'
--: done

SET spark.sql.shuffle.partitions = 4
--: key STRING, value STRING
["spark.sql.shuffle.partitions", "4"]

SET spark.sql.shuffle.partitions
--: key STRING, value STRING
["spark.sql.shuffle.partitions", "4"]

RESET spark.sql.shuffle.partitions
--: done

DECLARE VARIABLE lowest INT DEFAULT 2
--: done

SET VAR lowest = lowest + 1
--: done

SELECT id FROM squares WHERE id > lowest ORDER BY id
--: id BIGINT
[4]
[5]

EXECUTE IMMEDIATE 'SELECT ? + :n' USING 1
--: error UNBOUND_SQL_PARAMETER 42P02

EXECUTE IMMEDIATE 'SELECT count(*) AS n FROM squares WHERE id > ?' USING 3
--: n BIGINT
[2]

SELECT IDENTIFIER('id') FROM IDENTIFIER('main.shop.squares') LIMIT 1
--: id BIGINT / 1 rows

BEGIN DECLARE x INT; END
--: UNSUPPORTED SQL scripts

# Files

CREATE VOLUME IF NOT EXISTS landing COMMENT 'where files land'
--: done

SHOW VOLUMES
--: database STRING, volume_name STRING
["shop", "landing"]

DROP VOLUME landing
--: done

DROP VOLUME landing
--: error VOLUME_NOT_FOUND 42704

LIST '/Volumes/main/default/files/orders'
--: path STRING, name STRING, size BIGINT, modification_time TIMESTAMP / 2 rows

SELECT * FROM read_files('/Volumes/main/default/files/orders', format => 'csv', header => true) ORDER BY id
--: id INT, city STRING, _rescued_data STRING
[1, "Rome", null]
[2, "Oslo", null]
[3, "Bern", null]

SELECT * FROM csv.`/Volumes/main/default/files/orders/one.csv`
--: _c0 STRING, _c1 STRING / 3 rows

SELECT a.n FROM json.`/Volumes/main/default/files/j.json` a
--: n BIGINT
[1]
[2]

SELECT * FROM csv.`/Volumes/main/default/files/missing.csv`
--: error PATH_NOT_FOUND 42K03

CREATE TABLE copied (id INT, city STRING)
--: done

COPY INTO copied FROM '/Volumes/main/default/files/orders' FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')
--: 3 changed

COPY INTO copied FROM '/Volumes/main/default/files/orders' FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')
--: 0 changed

SELECT count(*) AS n FROM copied
--: n BIGINT
[3]

CREATE TABLE outside (id INT) LOCATION '/Volumes/main/default/files/table'
--: done

INSERT INTO outside VALUES (7)
--: 1 changed

SELECT * FROM delta.`/Volumes/main/default/files/table`
--: id INT
[7]

# Errors

SELECT no_such_column FROM orders
--: error UNRESOLVED_COLUMN.WITH_SUGGESTION 42703

SELECT no_such_column
--: error UNRESOLVED_COLUMN.WITHOUT_SUGGESTION 42703

SELECT * FROM no_such_table
--: error TABLE_OR_VIEW_NOT_FOUND 42P01

SELECT no_such_function(1)
--: error UNRESOLVED_ROUTINE 42883

SELECT 1 FROM
--: error PARSE_SYNTAX_ERROR 42601

SELCT 1
--: error PARSE_SYNTAX_ERROR 42601

SELECT 1 / 0
--: error DIVIDE_BY_ZERO 22012

SELECT CAST('x' AS INT)
--: error CAST_INVALID_INPUT 22018

SELECT CAST(300 AS TINYINT)
--: error CAST_OVERFLOW 22003

SELECT array(1)[5]
--: error INVALID_ARRAY_INDEX 22003

SELECT id, count(*) FROM orders GROUP BY customer
--: error MISSING_AGGREGATION 42803

SELECT o.id FROM orders o JOIN numbers_like n ON o.id = n.id WHERE id = 1
--: error AMBIGUOUS_REFERENCE 42704

SELECT raise_error('stop')
--: error USER_RAISED_EXCEPTION P0001

SELECT 1 UNION SELECT 1, 2
--: error NUM_COLUMNS_MISMATCH 42826

SELECT :missing
--: error UNBOUND_SQL_PARAMETER 42P02

# Dropping

DROP VIEW good_orders
--: done

DROP TABLE IF EXISTS nothing
--: done

DROP TABLE nothing
--: error TABLE_OR_VIEW_NOT_FOUND 42P01

DROP TABLE outside
--: done

SELECT * FROM delta.`/Volumes/main/default/files/table`
--: id INT
[7]

DROP SCHEMA shop
--: error SCHEMA_NOT_EMPTY 2BP01

DROP SCHEMA shop CASCADE
--: done

DROP CATALOG sales CASCADE
--: done
