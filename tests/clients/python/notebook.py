"""Asks Perfleet what notebooks ask, with ClickHouse's own client: `notebook.py URL TOKEN`. Prints JSON."""

import json
import sys
from urllib.parse import urlparse

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError


def refusal(client, statement):
    try:
        client.command(statement)
    except DatabaseError as error:
        return str(error)
    return "nothing was refused"


def main():
    address, token = urlparse(sys.argv[1]), sys.argv[2]
    client = clickhouse_connect.get_client(host=address.hostname, port=address.port, username="me", password=token)
    found = client.query(
        "SELECT service, sum(value) AS v, any(labels), any(frames) FROM profiles WHERE service IN {s:Array(String)} GROUP BY service",
        parameters={"s": ["shop", "it's\tother"]},
    )
    answers = {
        "tables": [name for (name,) in client.query("SHOW TABLES").result_rows],
        "columns": found.column_names,
        "rows": found.result_rows,
        "described": client.query("DESCRIBE TABLE profiles").result_rows[0][:2],
        "database": client.command("SELECT currentDatabase()"),
        "table": refusal(client, "SELECT * FROM samples"),
        "write": refusal(client, "DROP TABLE samples"),
    }
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
