"""One English question, documents in five languages."""

from xlingual_qdrant import Collection

documents = [
    {"text": "Le chat est assis sur le tapis.", "lang": "fr"},
    {"text": "Die Katze sitzt auf der Matte.", "lang": "de"},
    {"text": "El gato está sentado en la alfombra.", "lang": "es"},
    {"text": "Machine learning requires large datasets.", "lang": "en"},
    {"text": "L'apprentissage automatique nécessite de grands ensembles de données.", "lang": "fr"},
    {"text": "猫がマットの上に座っている。", "lang": "ja"},
]

with Collection.open("cats") as cats:
    cats.add(documents)
    for rank, hit in enumerate(cats.search("the cat is sitting on the mat"), start=1):
        print(f"{rank}. [{hit.lang}] {hit.text} (score: {hit.score:.4f})")
