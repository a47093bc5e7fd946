"""Six English texts teach two labels; texts in four other languages get them."""

from xlingual_qdrant.queries import Classifier

train_texts = [
    "My order hasn't arrived yet",
    "I want a refund for this product",
    "How do I change my shipping address?",
    "Great product, works perfectly!",
    "I'm very happy with my purchase",
    "Excellent customer service",
]
train_labels = ["complaint", "complaint", "complaint", "positive", "positive", "positive"]

test_texts = [
    "Ma commande n'est pas encore arrivée",  # a complaint
    "Ich bin sehr zufrieden mit meinem Kauf",  # positive
    "El producto no funciona correctamente",  # a complaint
    "素晴らしいサービスでした",  # positive
]

classifier = Classifier.fit(train_texts, train_labels, lang="en")
for text, found in zip(test_texts, classifier.classify(test_texts), strict=True):
    print(f"{found.label:<9} {found.probability:.2f} ({found.lang}) {text}")
